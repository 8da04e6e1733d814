// What passes between this page in a frame and the page around it. The policy frame-ancestors has the browser load
// this page only in frames of allowed origins, so whoever is around it may tell it what to do.

export const framed = window.parent !== window;

/** Say that the page is ready; `settings({ key, panel })` is called with what the embedding page gives. */
export function embed(settings) {
  document.documentElement.classList.add("embedded");
  addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.type !== "orbit-settings") return;
    const { key, theme, panel } = event.data;
    const root = document.documentElement;
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    root.classList.toggle("in-panel", panel === true);
    settings({ key: typeof key === "string" ? key : "", panel: panel === true });
  });
  window.parent.postMessage({ type: "orbit-ready" }, "*");
}
