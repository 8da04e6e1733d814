// Runs before the first paint, so that a chosen theme does not flash. A classic script: modules come too late.
(() => {
  try {
    const chosen = localStorage.getItem("orbit-theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch {
    // No storage in this frame: the system's theme applies.
  }
})();
