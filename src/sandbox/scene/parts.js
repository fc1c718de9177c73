// What every seat is made of: elements, lists that change in place, files, and the line to write in.
// Whatever people wrote reaches the page as text nodes only.

const TOKEN = document.querySelector("meta[name=scene-token]").content;

const ICONS = {
  clip: "M8.5 12.5l5.3-5.3a3 3 0 0 1 4.2 4.2l-7 7a5 5 0 0 1-7-7l6.6-6.6",
  send: "M4 12l16-8-5 16-3.5-6.5zM11.5 13.5L20 4",
  reply: "M9 6l-5 5 5 5M4 11h9a7 7 0 0 1 7 7",
  close: "M6 6l12 12M18 6L6 18",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
  phone: "M8 3h8a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zM11 18h2",
  mail: "M4 6h16v12H4zM4 7l8 6 8-6",
  desk: "M4 5h16v11H9l-5 4z",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
};

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Makes the children of `box` those of `items`, and touches only what changed.
export function patch(box, items, key, render) {
  const before = box.shown || new Map();
  const now = new Map();
  items.forEach((item, place) => {
    const json = JSON.stringify(item);
    let entry = before.get(key(item));
    if (!entry || entry.json !== json) {
      const node = render(item);
      if (entry) entry.node.replaceWith(node);
      else if (box.shown) node.classList.add("new");
      entry = { json, node };
    }
    now.set(key(item), entry);
    if (box.children[place] !== entry.node) box.insertBefore(entry.node, box.children[place] || null);
  });
  for (const [name, entry] of before) if (!now.has(name)) entry.node.remove();
  box.shown = now;
}

// Runs `change` and stays at the end of the box if that is where the reader was; pictures arrive later.
export function following(box, change) {
  const stay = () => {
    if (box.atEnd) box.scrollTop = box.scrollHeight;
    box.height = box.scrollHeight;
  };
  if (box.height === undefined) {
    box.atEnd = true;
    // What grew by itself moved nobody: only a scroll in a box of the same height is the reader's.
    const measure = () => {
      if (box.scrollHeight === box.height) box.atEnd = box.height - box.scrollTop - box.clientHeight < 60;
    };
    box.addEventListener("scroll", measure, { passive: true });
    box.addEventListener("load", stay, true);
    new ResizeObserver(stay).observe(box);
  }
  change();
  stay();
}

export function time(at) {
  const day = new Date(at);
  const today = new Date().toDateString() === day.toDateString();
  return day.toLocaleString("en-GB", today
    ? { hour: "2-digit", minute: "2-digit" }
    : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

export function file(one) {
  if (one.picture) {
    return el("a", { class: "picture", href: one.url, target: "_blank", rel: "noopener", title: one.name },
      el("img", { src: one.url, alt: one.name }));
  }
  return el("a", { class: "file", href: one.url, download: one.name },
    icon("file"), el("span", {}, one.name), el("small", {}, size(one.size)));
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

// Does something in a seat; says whether it worked, and tells the visitor if not.
export async function act(path, fields, chosen) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== null && value !== undefined) form.append(name, value);
  }
  if (chosen) form.append("file", chosen, chosen.name);
  try {
    const answer = await fetch(path, { method: "POST", body: form, headers: { "x-scene-token": TOKEN } });
    if (answer.ok) return true;
    notice(await answer.text() || `The demo answered ${answer.status}.`);
  } catch {
    notice("The demo does not answer. Does it still run?");
  }
  return false;
}

let hiding;
export function notice(text) {
  const box = document.getElementById("notice");
  box.textContent = text;
  box.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => box.classList.remove("shown"), 6000);
}

// The line at the foot of a seat: a text, a file, and above it what is answered.
export function composer(place, { placeholder, send, subject }) {
  const area = el("textarea", { rows: 1, placeholder, "aria-label": placeholder });
  const title = el("input", { class: "subject", placeholder: "Subject", "aria-label": "Subject", maxlength: 200 });
  const picker = el("input", { type: "file", hidden: true });
  const above = el("div", { class: "above" });
  const go = el("button", { class: "send", type: "submit", title: "Send" }, icon("send"));
  const clip = el("button", { class: "clip", type: "button", title: "Attach a file", onclick: () => picker.click() },
    icon("clip"));
  let answering = null;

  const grow = () => {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 140)}px`;
  };
  const note = (text, drop) => el("div", { class: "note" }, el("span", {}, text),
    el("button", { type: "button", title: "Remove", onclick: drop }, icon("close")));
  const draw = () => {
    above.replaceChildren(...[
      answering && note(answering.label, () => self.answer(null)),
      picker.files[0] && note(picker.files[0].name, () => { picker.value = ""; draw(); }),
    ].filter(Boolean));
  };
  const submit = async (event) => {
    event.preventDefault();
    const [text, chosen] = [area.value.trim(), picker.files[0]];
    if (!text && !chosen) return area.focus();
    go.disabled = true;
    const done = await send({ text, chosen, answering: answering && answering.id, subject: title.value.trim() });
    go.disabled = false;
    if (!done) return;
    area.value = title.value = picker.value = "";
    answering = null;
    draw();
    grow();
  };
  const form = el("form", { class: "composer", onsubmit: submit }, above, subject && title,
    el("div", { class: "line" }, clip, area, go), picker);
  area.addEventListener("input", grow);
  area.addEventListener("keydown", (event) => {
    const enter = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (enter && matchMedia("(hover: hover)").matches) submit(event);
  });
  picker.addEventListener("change", draw);
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    picker.files = event.dataTransfer.files;
    draw();
  });
  place.append(form);

  const self = {
    answer(to) { answering = to; draw(); if (to) area.focus(); },
    write(text) { area.value = text; area.focus(); grow(); },
    titled(on) { title.hidden = !on; if (on) title.focus(); },
    locked(why) {
      area.disabled = clip.disabled = go.disabled = Boolean(why);
      area.placeholder = why || placeholder;
    },
  };
  return self;
}
