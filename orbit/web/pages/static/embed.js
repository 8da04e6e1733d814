// Shows ORBIT's chat page in another site:
//
//   <script src="https://orbit.example.org/embed.js" data-key="..." async></script>
//
// data-target: CSS selector of the element that the chat is to fill; without it, a button at the corner opens it.
// data-label: what the button says. data-theme: light or dark. data-key: an API key, which all visitors can read then.
// The site must be among pages.embed_origins of the server, or the browser refuses to show the page.
(() => {
  const script = document.currentScript;
  const { key = "", label = "Ask a question", target = "", theme = "" } = script.dataset;
  const { origin } = new URL(script.src);
  const server = new URL(".", script.src).href.slice(0, -1); // with the path under which a proxy serves it
  const PATIENCE = 1000; // after the load of the frame, whose scripts have run by then

  const STYLE = `
    :host { all: initial; color-scheme: light dark; }
    button { font: 600 16px/1.2 system-ui, sans-serif; cursor: pointer; }
    button:focus-visible { outline: 3px solid #a3b1ff; outline-offset: 2px; }
    .open { position: fixed; z-index: 2147483646; right: 20px; bottom: 20px; padding: 14px 20px; border: 0;
      border-radius: 26px; color: #fff; background: #3a4fd0; box-shadow: 0 6px 24px rgb(20 22 40 / 28%); }
    .open:hover { background: #2f41b4; }
    .panel { position: fixed; z-index: 2147483647; right: 20px; bottom: 20px; display: flex; flex-direction: column;
      width: min(420px, calc(100vw - 40px)); height: min(680px, calc(100dvh - 40px)); border-radius: 16px;
      overflow: hidden; background: Canvas; box-shadow: 0 12px 48px rgb(20 22 40 / 32%); }
    .panel[hidden], .open[hidden] { display: none; }
    .close { position: absolute; top: 5px; right: 10px; width: 36px; height: 36px; padding: 0; border: 0;
      border-radius: 8px; font-size: 24px; font-weight: 400; line-height: 1; color: #767985; background: none; }
    .close:hover { background: rgb(127 127 140 / 16%); }
    iframe { display: block; flex: 1; width: 100%; height: 100%; border: 0; color-scheme: auto; }
    p { margin: 52px 24px; font: 16px/1.5 system-ui, sans-serif; color: CanvasText; }
    @media (width < 520px) {
      .panel { inset: 0; width: 100vw; height: 100dvh; border-radius: 0; }
    }`;

  function element(name, properties) {
    return Object.assign(document.createElement(name), properties);
  }

  function chat(panel) {
    const frame = element("iframe", { src: `${server}/`, title: label, allow: "clipboard-write" });
    let ready = false;
    addEventListener("message", (event) => {
      if (event.source !== frame.contentWindow || event.origin !== origin) return;
      if (event.data?.type !== "orbit-ready") return;
      ready = true;
      frame.contentWindow.postMessage({ type: "orbit-settings", key, theme, panel }, origin);
    });
    frame.addEventListener("load", () => {
      setTimeout(() => {
        if (!ready && frame.isConnected) frame.replaceWith(elsewhere());
      }, PATIENCE);
    });
    return frame;
  }

  function elsewhere() {
    console.warn(`ORBIT: ${location.origin} may not show ${server}/; see pages.embed_origins in its configuration.`);
    const text = element("p", { textContent: "The chat cannot be shown in this page. " });
    text.append(
      element("a", { href: `${server}/`, target: "_blank", rel: "noopener", textContent: "Open it by itself" }),
    );
    return text;
  }

  function shadow(host) {
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet(); // no inline style, which the site's own policy may forbid
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    return root;
  }

  function launcher() {
    const host = document.createElement("orbit-chat");
    const root = shadow(host);
    const open = element("button", { className: "open", type: "button", textContent: label });
    const close = element("button", { className: "close", type: "button", textContent: "×", ariaLabel: "Close" });
    const panel = element("div", { className: "panel", role: "dialog", ariaLabel: label, hidden: true });
    panel.append(close);
    let frame = null;
    const show = (shown) => {
      panel.hidden = !shown;
      open.hidden = shown;
      if (shown && !frame) panel.prepend((frame = chat(true))); // not before someone wants it
      (shown ? close : open).focus();
    };
    open.addEventListener("click", () => show(true));
    close.addEventListener("click", () => show(false));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(false);
    });
    root.append(open, panel);
    document.body.append(host);
  }

  function fill(host) {
    const inside = host.appendChild(document.createElement("orbit-chat"));
    inside.style.display = "block";
    inside.style.height = "100%";
    shadow(inside).append(chat(false));
  }

  function begin() {
    const host = target && document.querySelector(target);
    if (host) fill(host);
    else launcher();
  }

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
  else begin();
})();
