// How the server is, and the last hour.

import { h } from "../common.js";
import { call, path } from "./api.js";
import { Chart } from "./charts.js";
import { compact, counted, duration, number } from "./format.js";
import { badge, heading, problem, table } from "./parts.js";
import { Samples, chats, quantile, tokens } from "./samples.js";

const EVERY_MILLISECONDS = 5000;
const HEALTH = { ok: ["OK", "good"], degraded: ["Degraded", "caution"], down: ["Down", "bad"] };

const samples = new Samples(); // kept while other sections are shown

/** Show the section, and show it anew until `signal` says that another is shown. */
export async function showOverview(main, _, signal) {
  const said = h("div", {});
  const tiles = h("div", { class: "tiles" });
  const health = h("div", { class: "list" });
  const models = h("div", { class: "list" });
  const charts = [
    new Chart("Chats per minute", [["Answered", "first"], ["Blocked", "second"], ["Cancelled", "third"], ["Failed", "fourth"]], { least: 4, format: compact }),
    new Chart("Tokens per minute", [["Read", "first"], ["Written", "second"]], { least: 100, format: compact }),
    new Chart("Time of an answer", [["Half within", "first"], ["95 % within", "second"], ["First word", "third"]], { kind: "lines", least: 0.1, format: duration }),
  ];
  main.replaceChildren(
    heading("Overview", "How the server is now, and what it did in the last hour."),
    said,
    tiles,
    h("div", { class: "charts" }, charts.map((chart) => chart.element)),
    h("h2", { class: "title" }, "Health"),
    health,
    h("h2", { class: "title" }, "Models"),
    models,
  );
  const refresh = async () => {
    if (document.hidden) return;
    try {
      const [live, named] = await Promise.all([call("GET", `${path("live")}?since=${samples.last}`), call("GET", path("models"))]);
      samples.add(live);
      said.replaceChildren();
      if (signal.aborted) return;
      tiles.replaceChildren(...tilesOf(live));
      drawAll(charts);
      health.replaceChildren(healthTable(live.health));
      models.replaceChildren(modelTable(named));
    } catch (failure) {
      // The same sentence is not read out every few seconds.
      if (said.textContent !== failure.message) said.replaceChildren(problem(failure));
    }
  };
  await refresh();
  let timer = null;
  const soon = () => {
    timer = setTimeout(async () => {
      await refresh();
      if (!signal.aborted) soon();
    }, EVERY_MILLISECONDS);
  };
  if (!signal.aborted) soon();
  signal.addEventListener("abort", () => clearTimeout(timer));
}

function tilesOf(live) {
  const hour = samples.hour();
  const all = chats(hour);
  const half = quantile(hour.durations.total, samples.bounds, 0.5);
  return [
    tile("Server", badge(...(HEALTH[live.health.status] ?? [live.health.status, "caution"])), counted(Object.keys(live.health.components).length, "component")),
    tile("Now", number(live.in_flight), live.queued ? `${number(live.queued)} waiting` : "answers under way"),
    tile("Chats", number(all), "in the last hour"),
    tile(
      "Failed",
      number(hour.failed),
      hour.failed ? h("a", { href: "#chats/failed" }, "Look at them") : hour.blocked ? `${number(hour.blocked)} blocked` : "in the last hour",
    ),
    tile("Tokens", compact(tokens(hour)), "in the last hour"),
    tile("Time of an answer", half === null ? "–" : duration(half), "half were within it"),
  ];
}

function tile(title, value, below) {
  return h("div", { class: "card tile" }, h("h2", {}, title), h("p", { class: "value" }, value), h("p", { class: "hint" }, below));
}

function drawAll([turns, amounts, times]) {
  const bins = samples.bins();
  const at = bins.map((bin) => bin.to);
  const last = bins.at(-1);
  const each = (value) => bins.map(value);
  const within = (stage, share) => each((bin) => quantile(bin.durations[stage], samples.bounds, share));
  turns.draw(at, ["ok", "blocked", "cancelled", "failed"].map((name) => each((bin) => bin[name])), `${number(chats(last))} in the last minute`);
  amounts.draw(at, ["prompt_tokens", "completion_tokens"].map((name) => each((bin) => bin[name])), `${compact(tokens(last))} in the last minute`);
  const half = quantile(samples.hour().durations.total, samples.bounds, 0.5);
  times.draw(at, [within("total", 0.5), within("total", 0.95), within("first_token", 0.5)], half === null ? "No answer in the last hour" : `Half within ${duration(half)}`);
}

function healthTable(health) {
  return table(
    "Components of the server",
    [
      ["Component", ([name]) => h("span", { class: "main" }, name)],
      ["State", ([, state]) => badge(...HEALTH[state.status])],
      ["Detail", ([, state]) => state.detail || h("span", { class: "soft" }, "–")],
    ],
    Object.entries(health.components),
  );
}

function modelTable(models) {
  const soft = (text) => h("span", { class: "soft" }, text);
  const windowOf = (one) => (one.window === null ? "" : `${compact(one.window)} tokens`);
  const rest = (one) => one.cooldown && `no requests for ${duration(one.cooldown)}`;
  return table(
    "Models that clients may name",
    [
      ["Model", (model) => [h("span", { class: "main" }, model.name), (model.default || model.internal) && h("small", {}, model.default ? "the default" : "internal")]],
      [
        "Providers",
        (model) =>
          model.providers.map((one) =>
            h("div", {}, one.provider, " ", one.health && badge(...HEALTH[one.health.status]), h("small", {}, [one.model, windowOf(one), rest(one)].filter(Boolean).join(", "))),
          ),
      ],
      ["Supports", (model) => [...new Set(model.providers.flatMap((one) => one.supports))].join(", ") || soft("text")],
      ["Fallback", (model) => model.fallback.join(", ") || soft("none")],
    ],
    models,
  );
}
