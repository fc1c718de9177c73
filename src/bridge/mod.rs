//! The centre: what becomes of a message; speaks only the words of the model.
