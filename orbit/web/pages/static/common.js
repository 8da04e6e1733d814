// What the scripts of all pages share. Nothing here, or anywhere else, makes markup out of text.

/**
 * Make an element: h("a", { href, class, onclick, disabled }, "text", child).
 * Names that begin with "on" are listeners, the others attributes; null and false leave them out, true is "".
 * Children that are strings become text.
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  arrowDown: ["M12 5v14", "m6 13 6 6 6-6"],
  arrowUp: ["M12 19V5", "m6 11 6-6 6 6"],
  attach: ["m20 11.500-8.400 8.400a5 5 0 0 1-7-7l8.900-8.900a3.300 3.300 0 0 1 4.700 4.700l-8.900 8.900a1.700 1.700 0 0 1-2.400-2.400l8-8"],
  bin: ["M4 7h16", "M9 7V4h6v3", "M6 7l1 13h10l1-13", "M10 11v5M14 11v5"],
  check: ["m5 13 4.5 4.5L19 7"],
  chevron: ["m6 9 6 6 6-6"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  document: ["M6 3h8l4 4v14H6z", "M14 3v4h4"],
  external: ["M14 4h6v6", "M20 4l-9 9", "M18 14v6H4V6h6"],
  history: ["M4 6v4h4", "M4.300 10A8 8 0 1 1 4 13", "M12 8v4.500l3 2"],
  key: ["M15.5 3a5.5 5.5 0 1 1-4.9 8L3 18.5V21h3.5v-2.5H9V16h2l1.3-1.3", "M16.5 7.5h.01"],
  leave: ["M14 4h5v16h-5", "M4 12h10", "m10 8 4 4-4 4"],
  moon: ["M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z"],
  pencil: ["M12 20h8", "M16.5 3.800a2 2 0 0 1 2.9 2.900L8 18l-4 1 1-4z"],
  plus: ["M12 5v14M5 12h14"],
  retry: ["M20 5v5h-5", "M19.4 10A8 8 0 1 0 20 13.5"],
  stop: ["M7 7h10v10H7z"],
  sun: [
    "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z",
    "M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.400M17.6 17.6 19 19M5 19l1.4-1.400M17.6 6.4 19 5",
  ],
};

/** A picture beside or instead of words; screen readers pass over it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const line of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}

/** Storage of this tab that never throws: a frame whose storage is blocked forgets on reload, that is all. */
export const tab = {
  get(name) {
    try {
      return JSON.parse(sessionStorage.getItem(name));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      sessionStorage.setItem(name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
  remove(name) {
    try {
      sessionStorage.removeItem(name);
    } catch {
      // There was none.
    }
  },
};

/** An error of a request, told in a sentence. `status` is 0 if the server could not be reached. */
export class Failure extends Error {
  constructor(sentence, { status = 0, code = "", retryAfter = null } = {}) {
    super(sentence);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The path under which a proxy serves ORBIT, without a slash at its end: this file is at PATH/assets/VERSION/. */
const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The path of a route, as the browser has to ask for it. */
export function routed(path) {
  return `${root}${path}`;
}

/** fetch() whose every failure is a Failure with a sentence; an abort stays an AbortError. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(routed(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server cannot be reached. Check your connection and try again.");
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function failureOf(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // A proxy's page, or nothing: the status has to do.
  }
  const retryAfter = Number.parseInt(response.headers.get("Retry-After"), 10);
  return new Failure(
    sentence(problem.detail ?? problem.error?.message) || `The server answered with status ${response.status}.`,
    {
      status: response.status,
      code: String(problem.code ?? ""),
      retryAfter: Number.isFinite(retryAfter) ? retryAfter : null,
    },
  );
}

/** The text with a capital at its beginning and a full stop at its end. */
export function sentence(text) {
  const trimmed = String(text ?? "").trim();
  if (!trimmed) return "";
  const end = /[.!?…:]$/.test(trimmed) ? "" : ".";
  return trimmed[0].toUpperCase() + trimmed.slice(1) + end;
}

/** Say something to screen readers, in the element with id "status" (role="status") of the page. */
export function announce(text) {
  const status = document.getElementById("status");
  status.textContent = "";
  setTimeout(() => {
    status.textContent = text;
  }, 50); // a change is what is read out, so the same sentence twice has to be two changes
}

/** Copy text; false if the browser does not let it. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // plain HTTP from another machine: no navigator.clipboard
  }
}

function copyBySelection(text) {
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}

/** A button that copies what `text()` returns and says so for a moment. */
export function copyButton(label, text) {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    const copied = await copyText(text());
    announce(copied ? "Copied." : "The browser did not allow copying.");
    if (!copied) return;
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  });
  return button;
}

/** Make a button switch between light and dark; the choice is kept for all tabs. */
export function themeButton(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const current = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const show = () => {
    const other = current() === "dark" ? "light" : "dark";
    const label = `Switch to ${other} colours`;
    button.setAttribute("aria-label", label);
    button.title = label;
    button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
  };
  button.addEventListener("click", () => {
    root.dataset.theme = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("orbit-theme", root.dataset.theme);
    } catch {
      // It holds until the page is left.
    }
    show();
  });
  dark.addEventListener("change", show);
  show();
}
