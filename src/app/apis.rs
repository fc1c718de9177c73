//! Ticket APIs from the configuration.

use std::{collections::HashMap, sync::Arc};

use rustls::ClientConfig;

use crate::{
    bridge::context::Api,
    config::{Config, Paradarum as ParadarumConfig, TicketApi as ApiConfig, ticket_api::Kind},
    model::ids::ApiName,
    runtime::clock::Clock,
    ticket_api::{
        TicketApi,
        paradarum::{Paradarum, SetUpError, Settings},
    },
};

pub(super) fn build(
    config: &Config,
    tls: &Arc<ClientConfig>,
    clock: &Clock,
) -> Result<HashMap<ApiName, Api>, SetUpError> {
    config
        .ticket_apis
        .iter()
        .map(|api| Ok((ApiName::new(&api.name), one(api, config, tls, clock)?)))
        .collect()
}

fn one(api: &ApiConfig, config: &Config, tls: &Arc<ClientConfig>, clock: &Clock) -> Result<Api, SetUpError> {
    let port: Arc<dyn TicketApi> = match &api.kind {
        Kind::Paradarum(own) => Arc::new(Paradarum::new(paradarum(api, own, config), tls, clock.clone())?),
    };
    Ok(Api { port, settle: api.settle, poll: api.poll, panel: api.panel_url.clone() })
}

fn paradarum(api: &ApiConfig, own: &ParadarumConfig, config: &Config) -> Settings {
    Settings {
        key: api.key.clone(),
        call_timeout: config.timing.api_call,
        max_calls_per_second: api.max_calls_per_second,
        connections: api.connections,
        desk_mails_customers: api.desk_mails_customers,
        auth_header: own.auth_header.clone(),
        auth_prefix: own.auth_prefix.clone(),
        list_path: own.list_path.clone(),
        detail_path: own.detail_path.clone(),
        properties_path: own.properties_path.clone(),
        page_params: own.page_params.clone(),
        assume_utc: own.assume_utc,
        staff_flag: own.staff_flag.clone(),
        message_text: own.message_text.clone(),
        messages_key: own.messages_key.clone(),
        attachments_key: own.attachments_key.clone(),
        attachment_name: own.attachment_name.clone(),
        created_key: own.created_key.clone(),
        reply_id_ptr: own.reply_id_ptr.clone(),
        max_attachment_bytes: own.max_attachment_bytes.0,
        topics: own.topics.clone(),
        ..Settings::new(ApiName::new(&api.name), api.base_url.clone())
    }
}
