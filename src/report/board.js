"use strict";
(() => {
  const places = document.querySelectorAll("[data-cohort]");
  if (!places.length) return;
  // Every text goes onto the page as text.
  const renew = async () => {
    try {
      const answer = await fetch("/api/status", { cache: "no-store" });
      if (!answer.ok) return;
      const rows = new Map((await answer.json()).map((row) => [row.cohort, row]));
      for (const place of places) {
        const row = rows.get(place.dataset.cohort);
        if (!row) continue;
        const spans = row.runs.flatMap(([status, count]) => {
          const span = document.createElement("span");
          span.className = "status";
          span.dataset.status = status;
          span.textContent = `${count} ${status}`;
          return [span, " "];
        });
        const text = row.runs.map(([status, count]) => `${count} ${status}`).join(" ");
        const statuses = place.querySelector(".statuses");
        // Readers of screens hear what changed, and only that.
        if (statuses.textContent.trim() !== text) statuses.replaceChildren(...spans);
        const progress = place.querySelector(".progress");
        if (progress.textContent !== row.progress) progress.textContent = row.progress;
      }
    } catch {
      // The server went away; what was known last stays.
    }
  };
  setInterval(() => { if (!document.hidden) renew(); }, 2000);
})();
