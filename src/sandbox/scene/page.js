// The four seats, drawn again from each picture of the scene that the server sends.

import { act, composer, el, file, following, icon, patch, time } from "/parts.js";

const seat = (name) => document.getElementById(name);
const part = (name, what) => seat(name).querySelector(`[data-${what}]`);

// === Chats: the customer's and the admins' ===

function chat(name, who, placeholder) {
  const line = composer(part(name, "composer"), {
    placeholder,
    send: ({ text, chosen, answering }) => act("/do/telegram/say", { seat: who, text, reply_to: answering }, chosen),
  });
  const own = (message) => !message.bot && (who === "customer" || message.author === "Ada");
  const bubble = (message) => {
    const buttons = message.buttons.map((row) => el("div", { class: "row" }, row.map((button) => button.url
      ? el("a", { href: button.url, target: "_blank", rel: "noopener noreferrer" }, button.text)
      : el("button", {
        type: "button",
        onclick: () => act("/do/telegram/press", { seat: who, message: message.id, button: button.text }),
      }, button.text))));
    const label = `Reply to: ${message.words.split("\n")[0].slice(0, 60) || "a file"}`;
    const answer = () => line.answer({ id: message.id, label });
    return el("article", { class: own(message) ? "turn own" : "turn" },
      el("div", { class: "bubble" },
        !own(message) && el("b", { class: "author" }, message.author),
        message.reply_to && el("div", { class: "quoted" },
          el("b", {}, message.reply_to.author), el("span", {}, message.reply_to.words)),
        message.file && file(message.file),
        message.words && el("p", {}, formatted(message.words, message.entities)),
        el("small", {}, message.edited ? "edited " : "", time(message.at)),
        el("button", { class: "answer", type: "button", title: "Reply", onclick: answer }, icon("reply"))),
      message.reactions.length > 0 && el("div", { class: "reactions" }, message.reactions.join(" ")),
      buttons.length > 0 && el("div", { class: "buttons" }, buttons));
  };
  const list = part(name, "list");
  const draw = (messages) => following(list, () => {
    patch(list, messages, (message) => message.id, bubble);
    list.classList.toggle("empty", messages.length === 0);
  });
  return { draw, line };
}

// A text with the Bot API's entities, whose offsets count UTF-16 units as JavaScript does.
function formatted(words, entities) {
  const tags = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "code" };
  const render = (from, to, inside) => {
    const out = [];
    let at = from;
    inside.forEach((entity, index) => {
      const end = entity.offset + entity.length;
      if (entity.offset < at || end > to) return;
      // A quote is a block of its own: the breaks around it are there already.
      const block = entity.type.endsWith("blockquote");
      const gap = words.slice(at, entity.offset);
      if (gap) out.push(...linked(block ? gap.replace(/\n$/, "") : gap));
      const deeper = render(entity.offset, end, inside.slice(index + 1).filter((one) => one.offset < end));
      out.push(wrap(entity, words.slice(entity.offset, end), deeper));
      at = block && words[end] === "\n" ? end + 1 : end;
    });
    if (at < to) out.push(...linked(words.slice(at, to)));
    return out;
  };
  const wrap = (entity, text, inside) => {
    if (entity.type === "url") return link(text, [text]);
    if (entity.type === "text_link") return link(entity.url, [text]);
    if (entity.type === "blockquote" || entity.type === "expandable_blockquote") return el("q", {}, inside);
    if (entity.type === "bot_command") return el("span", { class: "command" }, inside);
    return tags[entity.type] ? el(tags[entity.type], {}, inside) : el("span", {}, inside);
  };
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return render(0, words.length, sorted);
}

// A text whose web addresses can be followed.
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/).map((part, place) => (place % 2 ? link(part, [part]) : part));
}

function link(address, inside) {
  const full = /^[a-z]+:/i.test(address) ? address : `https://${address}`;
  if (!/^https?:/i.test(full)) return el("span", {}, inside);
  const here = full.startsWith(`${location.origin}/#`);
  return el("a", { href: full, rel: "noopener noreferrer", target: here ? null : "_blank" }, inside);
}

// === Conversations with a list above: the mail program and the desk ===

const mail = { open: null, list: part("mail", "list"), sheet: part("mail", "thread"), threads: [] };
mail.line = composer(part("mail", "composer"), {
  placeholder: "Write a mail …",
  subject: true,
  send: async ({ text, chosen, subject }) => {
    const thread = mail.threads.find((one) => one.id === mail.open);
    const answers = thread && thread.letters.at(-1).id;
    const done = await act("/do/mail/send", { text, answers, subject: subject || "A question" }, chosen);
    if (done && !thread) mail.next = true;
    return done;
  },
});

function drawMail(threads) {
  const known = new Set(mail.threads.map((thread) => thread.id));
  const fresh = threads.find((thread) => !known.has(thread.id));
  if (mail.open === null && threads.length > 0) mail.open = threads[0].id;
  if (mail.next && fresh) [mail.open, mail.next] = [fresh.id, false];
  mail.threads = threads;
  const row = (thread) => el("button", {
    type: "button",
    class: thread.on ? "item on" : "item",
    onclick: () => { mail.open = thread.id; drawMail(mail.threads); },
  },
  el("span", { class: "head" }, el("b", {}, thread.subject || "(no subject)"), el("time", {}, time(thread.at))),
  el("span", { class: "under" }, `${thread.last.own ? "You" : thread.last.from}: ${thread.last.words}`),
  thread.count > 1 && el("i", { class: "count" }, String(thread.count)));
  patch(mail.list, threads.map((thread) => {
    const last = thread.letters.at(-1);
    const words = opening(last.text);
    return {
      id: thread.id, subject: thread.subject, at: thread.at, count: thread.letters.length,
      last: { own: last.own, from: last.from, words }, on: thread.id === mail.open,
    };
  }), (thread) => thread.id, row);
  const thread = threads.find((one) => one.id === mail.open);
  mail.line.titled(!thread);
  showSheet(mail, thread ? thread.id : "new", thread ? thread.subject : "New mail",
    thread ? `with ${thread.letters.find((one) => !one.own)?.from || "Example Support"}` : "to Example Support",
    [], thread ? thread.letters : [], letter);
}

function letter(one) {
  const body = el("div", { class: "body" }, quoted(one.text));
  const turn = one.html && el("button", { class: "link", type: "button", onclick: flip }, "Show as HTML");
  function flip() {
    const asText = turn.textContent !== "Show as HTML";
    turn.textContent = asText ? "Show as HTML" : "Show as text";
    body.replaceChildren(...(asText ? quoted(one.text) : [
      // No permission at all: nothing in the mail runs, loads or leads anywhere.
      el("iframe", { src: `/mail/${one.id}/html`, sandbox: "", title: "The mail’s HTML", referrerpolicy: "no-referrer" }),
    ]));
  }
  return el("article", { class: one.own ? "entry own" : "entry" },
    el("header", {}, el("b", {}, one.own ? "You" : one.from), el("time", {}, time(one.at))),
    body, turn, one.files.length > 0 && el("div", { class: "files" }, one.files.map(file)));
}

// The first words that somebody wrote himself.
function opening(text) {
  const lines = text.split("\n").map((line) => line.trim());
  const first = lines.find((line) => line && !line.startsWith(">") && !/^(hello|hi|good|dear|#+|-+)\b/i.test(line)
    && !/above this line|write above/i.test(line));
  return (first || lines[0] || "").slice(0, 90);
}

// A mail's text, with what it quotes folded away.
function quoted(text) {
  const lines = text.trimEnd().split("\n");
  const mark = lines.findIndex((line) => line.startsWith(">"));
  if (mark < 0) return [el("p", {}, linked(text.trimEnd()))];
  let start = mark;
  while (start > 0 && (lines[start - 1].trim() === "" || /wrote:$|^On .*|^<.*> wrote:$/.test(lines[start - 1].trim()))) {
    start -= 1;
  }
  return [el("p", {}, linked(lines.slice(0, start).join("\n"))),
    el("details", {}, el("summary", {}, "Quoted text"), el("p", {}, lines.slice(start).join("\n").trim()))];
}

const STATUS = {
  open: "Open", answered: "Answered", customer_reply: "Customer-Reply", in_progress: "In progress", on_hold: "On hold",
  resolved: "Resolved", closed: "Closed",
};
const desk = { open: null, list: part("desk", "list"), sheet: part("desk", "thread"), tickets: [] };
desk.line = composer(part("desk", "composer"), {
  placeholder: "Answer the customer …",
  send: ({ text, chosen }) => act("/do/desk/reply", { ticket: desk.open, text }, chosen),
});

function drawDesk(tickets) {
  desk.tickets = tickets;
  if (!tickets.some((one) => one.id === desk.open)) desk.open = tickets.length > 0 ? tickets[0].id : null;
  const row = (ticket) => el("button", {
    type: "button",
    class: ticket.on ? "item on" : "item",
    onclick: () => openTicket(ticket.id),
  },
  el("span", { class: "head" }, el("b", {}, el("i", {}, `#${ticket.number}`), ` ${ticket.subject}`),
    el("time", {}, time(ticket.at))),
  el("span", { class: "under" }, el("em", { class: `pill ${ticket.status}` }, STATUS[ticket.status]),
    ` ${ticket.customer}`),
  ticket.count > 1 && el("i", { class: "count" }, String(ticket.count)));
  patch(desk.list, tickets.map(({ id, number, subject, at, status, customer, entries }) => (
    { id, number, subject, at, status, customer, count: entries.length, on: id === desk.open }
  )), (ticket) => ticket.id, row);

  const ticket = tickets.find((one) => one.id === desk.open);
  desk.line.locked(!ticket ? "No ticket yet" : ticket.status === "closed" && "This ticket is closed");
  const set = (status, label) => el("button", {
    class: "quiet", type: "button", onclick: () => act("/do/desk/status", { ticket: ticket.id, status }),
  }, label);
  const steps = !ticket || ticket.status === "closed" ? [] : [
    !["in_progress", "resolved"].includes(ticket.status) && set("in_progress", "Take up"),
    ticket.status !== "resolved" && set("resolved", "Resolve"),
    set("closed", "Close"),
  ].filter(Boolean);
  showSheet(desk, ticket ? `${ticket.id}` : "none", ticket ? ticket.subject : "No ticket yet",
    ticket ? `#${ticket.number} · ${ticket.customer} · ${STATUS[ticket.status]}` : "", steps,
    ticket ? ticket.entries.map((entry) => ({ ...entry, customer: ticket.customer })) : [], entry);
}

function entry(one) {
  const lines = one.text.trimEnd().split("\n");
  const source = /^via (Telegram|e-mail)/.test(lines.at(-1)) ? lines.pop() : null;
  return el("article", { class: one.staff ? "entry own" : "entry" },
    el("header", {}, el("b", {}, one.staff ? "Support Team" : one.customer), el("time", {}, time(one.at))),
    el("div", { class: "body" }, el("p", {}, linked(lines.join("\n").trimEnd()))),
    one.files.length > 0 && el("div", { class: "files" }, one.files.map(file)),
    source && el("footer", {}, source));
}

function openTicket(id) {
  desk.open = id;
  drawDesk(desk.tickets);
}

// The open conversation of a seat; another one starts at its end.
function showSheet(place, id, title, under, steps, items, render) {
  const { sheet } = place;
  if (place.shownId !== id) {
    place.shownId = id;
    place.head = el("header", { class: "subject" });
    place.body = el("div", { class: "entries" });
    sheet.replaceChildren(place.head, place.body);
    sheet.atEnd = true;
  }
  const json = JSON.stringify([title, under]);
  if (place.head.json !== json) {
    place.head.json = json;
    place.head.replaceChildren(el("div", {}, el("h3", {}, title || "(no subject)"), el("p", {}, under)),
      el("div", { class: "steps" }, steps));
  }
  following(sheet, () => patch(place.body, items, (item) => item.id, render));
}

// === The strip, the tabs, the live line ===

let newest = null;

function drawEvents(events) {
  const chip = (event) => el("span", { class: `event ${event.from}` }, el("i", { class: "dot" }),
    el("span", {}, event.text), event.ms !== null && el("b", {}, event.ms < 1000 ? `${event.ms} ms`
      : `${(event.ms / 1000).toFixed(1)} s`));
  const box = document.getElementById("events");
  patch(box, [...events].reverse(), (event) => `${event.at} ${event.text}`, chip);
  for (const event of events) {
    if (newest !== null && event.at > newest) light(event.to);
  }
  newest = events.reduce((latest, event) => Math.max(latest, event.at), newest || 0);
}

function light(name) {
  for (const node of [seat(name), document.querySelector(`.tabs a[href="#${name}"]`)]) {
    node.classList.remove("lit");
    void node.offsetWidth; // begins the animation anew
    node.classList.add("lit");
  }
}

const telegram = chat("telegram", "customer", "Message");
const admin = chat("admin", "admin", "Message");

document.getElementById("connect").addEventListener("click", () => act("/do/telegram/connect", {}));
document.getElementById("compose").addEventListener("click", () => {
  mail.open = "new";
  drawMail(mail.threads);
});

function drawCommands(commands) {
  const shown = commands.length > 0 ? commands
    : [["new", "A new ticket"], ["tickets", "My tickets"], ["close", "Close the ticket"], ["help", "Help"]];
  patch(document.getElementById("commands"), shown.slice(0, 8), ([command]) => command, ([command, about]) => el("button",
    { type: "button", title: about, onclick: () => act("/do/telegram/say", { seat: "customer", text: `/${command}` }) },
    `/${command}`));
}

function draw(scene) {
  telegram.draw(scene.telegram.messages);
  drawCommands(scene.telegram.commands);
  admin.draw(scene.admin.messages);
  drawMail(scene.mail);
  drawDesk(scene.desk);
  drawEvents(scene.events);
}

for (const tab of document.querySelectorAll(".tabs a")) {
  tab.prepend(icon(tab.dataset.icon));
  tab.addEventListener("click", (event) => {
    event.preventDefault();
    seat(tab.hash.slice(1)).scrollIntoView({ behavior: "smooth", inline: "start", block: "nearest" });
  });
}
const looking = new IntersectionObserver((entries) => {
  for (const one of entries) {
    if (!one.isIntersecting) continue;
    for (const tab of document.querySelectorAll(".tabs a")) tab.classList.toggle("on", tab.hash === `#${one.target.id}`);
  }
}, { root: document.getElementById("seats"), threshold: 0.6 });
for (const one of document.querySelectorAll(".seat")) looking.observe(one);

function followHash() {
  const ticket = /^#ticket-(\d+)$/.exec(location.hash);
  if (!ticket) return;
  const named = desk.tickets.find((one) => one.number === ticket[1]);
  if (!named) return;
  openTicket(named.id);
  seat("desk").scrollIntoView({ inline: "start", block: "nearest" });
  light("desk");
}
addEventListener("hashchange", followHash);

const state = document.getElementById("connection");
const live = new EventSource("/live");
let first = true;
live.onmessage = (message) => {
  state.textContent = "live";
  state.className = "connection live";
  draw(JSON.parse(message.data));
  if (first) followHash();
  first = false;
};
live.onerror = () => {
  state.textContent = "the demo has ended";
  state.className = "connection";
};
