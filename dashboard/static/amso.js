// Charts, drawn from their data-url; and a proposal's page, read again when its badge says something else than before.
// The only script of ours; the rest is htmx.
"use strict";

(() => {
  const COLOURS = ["--series-1", "--series-2", "--series-3"];
  const HEIGHT = 220;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const day = (seconds) => new Date(seconds * 1e3).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

  function options(element, columns) {
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    return {
      title: element.dataset.title,
      width: Math.max(element.clientWidth, 240),
      height: HEIGHT,
      scales: { y: { range: (_, __, max) => [0, Math.max(max, 1) * 1.05] } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map(day) }, { ...axis, size: 60, values: (_, ticks) => ticks.map((t) => t.toLocaleString("en")) }],
      series: [
        { label: "day", value: (_, seconds) => (seconds === null ? "–" : day(seconds)) },
        ...columns.map((column, i) => ({ label: column.name, stroke: colour(COLOURS[i]), width: 2, points: { size: 5 } })),
      ],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
    };
  }

  async function draw(element) {
    element.dataset.drawn = "yes";
    const answer = await fetch(element.dataset.url, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const found = await answer.json();
    const days = found.days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1e3);
    const data = [days, ...found.series.map((column) => column.values)];
    element.replaceChildren();
    const chart = new uPlot(options(element, found.series), data, element);
    new ResizeObserver(() => chart.setSize({ width: Math.max(element.clientWidth, 240), height: HEIGHT })).observe(element);
  }

  const drawAll = () => document.querySelectorAll(".chart:not([data-drawn])").forEach(draw);
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);

  const badge = (element) => element.querySelector(".badge")?.textContent.trim();

  document.addEventListener("htmx:sseBeforeMessage", ({ target, detail }) => {
    if (target.id !== "standing") return;
    const next = new DOMParser().parseFromString(detail.data, "text/html");
    target.dataset.moved = badge(next) === badge(target) ? "no" : "yes";
  });
  document.addEventListener("htmx:sseMessage", ({ target }) => {
    if (target.id === "standing" && target.dataset.moved === "yes") htmx.trigger("#body", "moved");
  });
})();
