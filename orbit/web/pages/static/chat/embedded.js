// What passes between this page in a frame and the page around it. The policy frame-ancestors has the browser load
// this page only in frames of allowed origins, so whoever is around it may tell it what to do.

/** Say that the page is ready; `settings({ key, theme })` is called with what the embedding page gives. */
export function embed(settings) {
  if (window.parent === window) return;
  document.documentElement.classList.add("embedded");
  addEventListener("message", (event) => {
    if (event.source !== window.parent || event.data?.type !== "orbit-settings") return;
    const { key, theme } = event.data;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    settings(typeof key === "string" ? key : "");
  });
  window.parent.postMessage({ type: "orbit-ready" }, "*");
}
