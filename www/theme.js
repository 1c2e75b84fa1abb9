// Runs before the first paint, so that a chosen theme does not flash the other one first.
(() => {
  const stored = localStorage.getItem("pullcord-demo:theme");
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
  // A choice made in one pane or tab holds for all of them.
  addEventListener("storage", (event) => {
    if (event.key !== "pullcord-demo:theme") return;
    if (event.newValue) document.documentElement.dataset.theme = event.newValue;
    else delete document.documentElement.dataset.theme;
  });
})();
