/* SPDX-License-Identifier: GPL-3.0-or-later */
"use strict";

/* The built-in page: everything it shows comes from the read routes. */

const REFRESH_MS = 3000;
const WINDOWS_SHOWN = 24;
/* {name, version}, from the address: /models/NAME?version=V */
let chosen = null;
if (location.pathname.startsWith("/models/")) {
	chosen = {
		name: decodeURIComponent(location.pathname.slice("/models/".length)),
		version: new URLSearchParams(location.search).get("version"),
	};
}

const element = (tag, text, className) => {
	const e = document.createElement(tag);
	if (text !== undefined && text !== null) e.textContent = text;
	if (className) e.className = className;
	return e;
};

const fetchJson = async (path) => {
	const response = await fetch(path, { headers: { Accept: "application/json" } });
	const body = await response.json();
	if (!response.ok) throw new Error(body.error ? body.error.message : response.statusText);
	return body;
};

const row = (cells) => {
	const tr = element("tr");
	for (const cell of cells) {
		const isNode = cell instanceof Node;
		const td = isNode ? element("td") : element("td", cell.text, cell.className);
		if (isNode) td.append(cell);
		tr.append(td);
	}
	return tr;
};

const fill = (id, rows, columns, emptyText) => {
	const body = document.querySelector(`#${id} tbody`);
	if (!rows.length) {
		const td = element("td", emptyText, "empty");
		td.colSpan = columns;
		const tr = element("tr");
		tr.append(td);
		rows = [tr];
	}
	body.replaceChildren(...rows);
};

const short = (time) => (time ? time.replace("T", " ").replace(/(:00)?(\.\d+)?Z$/, "") : "–");
const number = (v) => (v === null || v === undefined ? "–" : Number(v).toPrecision(3));

const signalCell = (signals, name) => {
	const s = (signals || {})[name];
	if (!s) return { text: "–" };
	return s.drifted
		? { text: `${s.drifted_columns} drifted`, className: "error" }
		: { text: "ok", className: "ok" };
};

const showAlerts = (alerts) => {
	const rows = alerts.map((a) => row([
		{ text: a.state, className: a.state },
		{ text: a.severity, className: a.severity },
		{ text: a.model },
		{ text: a.rule },
		{ text: (a.columns || []).map((c) => c.column).join(", ") },
		{ text: short(a.starts_at) },
	]));
	fill("alerts", rows, 6, "none");
};

const showModels = (models) => {
	if (chosen && !chosen.version) chosen.version = (models.find((m) => m.name === chosen.name) || {}).version;
	if (!chosen && models.length) chosen = { name: models[0].name, version: models[0].version };
	const rows = models.map((m) => {
		const w = m.newest_window || {};
		const tr = row([
			{ text: m.name },
			{ text: m.version },
			{ text: m.active_baseline || "none" },
			{ text: w.start ? `${short(w.start)} ${w.final ? "" : "(open)"}` : "none yet" },
			{ text: w.n_events ?? "–", className: "n" },
			signalCell(m.signals, "input"),
			signalCell(m.signals, "output"),
		]);
		tr.className = "choice";
		if (chosen && chosen.name === m.name && chosen.version === m.version) tr.classList.add("chosen");
		tr.addEventListener("click", () => {
			chosen = { name: m.name, version: m.version };
			history.replaceState(null, "", `/models/${encodeURIComponent(m.name)}?version=${encodeURIComponent(m.version)}`);
			refresh();
		});
		return tr;
	});
	fill("models", rows, 7, "no model is configured");
};

const bar = (value, threshold) => {
	const outer = element("span", null, "bar");
	const inner = element("i");
	const share = threshold > 0 ? value / (2 * threshold) : 0;
	inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
	if (value > threshold) inner.className = "over";
	outer.append(inner);
	return outer;
};

const spark = (values, threshold) => {
	const ns = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(ns, "svg");
	const top = Math.max(2 * threshold, ...values) || 1;
	const y = (v) => (22 - (20 * v) / top).toFixed(1);
	svg.setAttribute("class", "spark");
	svg.setAttribute("viewBox", "0 0 140 24");
	svg.setAttribute("role", "img");
	svg.setAttribute("aria-label", `last ${values.length} windows, newest ${number(values.at(-1))}`);
	const line = document.createElementNS(ns, "line");
	for (const [k, v] of [["x1", 0], ["x2", 140], ["y1", y(threshold)], ["y2", y(threshold)]]) line.setAttribute(k, v);
	const poly = document.createElementNS(ns, "polyline");
	const step = values.length > 1 ? 140 / (values.length - 1) : 0;
	poly.setAttribute("points", values.map((v, i) => `${(i * step).toFixed(1)},${y(v)}`).join(" "));
	svg.append(line, poly);
	return svg;
};

/* The row of a column that says most: drifted first, then the larger share
 * of its threshold, then the larger value. */
const strongest = (rows) => {
	const weight = (r) => (r.drifted ? 1e6 : 0) + (Math.max(0, r.bound ?? 0) + 1e-3 * (r.value ?? 0)) / r.threshold;
	return rows.reduce((best, r) => (weight(r) > weight(best) ? r : best));
};

const showColumns = async (models) => {
	const model = models.find((m) => chosen && m.name === chosen.name && m.version === chosen.version);
	if (!model || !model.newest_window || !model.newest_window.start) {
		fill("columns", [], 7, "no window yet");
		return;
	}
	const base = `/v1/models/${encodeURIComponent(model.name)}/results?version=${encodeURIComponent(model.version)}&limit=1000`;
	const start = model.newest_window.start;
	const page = await fetchJson(`${base}&window=${encodeURIComponent(start)}`);
	const byColumn = new Map();
	for (const r of page.results) {
		if (r.column === "__model__" || !r.threshold) continue;
		if (!byColumn.has(r.column)) byColumn.set(r.column, []);
		byColumn.get(r.column).push(r);
	}
	const tops = [...byColumn.values()].map(strongest);
	tops.sort((a, b) => b.drifted - a.drifted || (b.bound ?? 0) / b.threshold - (a.bound ?? 0) / a.threshold);
	const rows = await Promise.all(tops.slice(0, 40).map(async (r) => {
		const series = await fetchJson(`${base}&column=${encodeURIComponent(r.column)}&metric=${encodeURIComponent(r.metric)}&from=${encodeURIComponent(new Date(Date.parse(start) - WINDOWS_SHOWN * windowMs(r)).toISOString())}`);
		const values = series.results.map((s) => s.value ?? 0);
		return row([
			{ text: r.column, className: r.drifted ? "error" : "" },
			{ text: r.metric },
			{ text: number(r.value), className: "n" },
			{ text: number(r.threshold), className: "n" },
			bar(Math.max(0, r.bound ?? 0), r.threshold),
			{ text: r.drifted ? `drifted (${r.severity})` : r.status, className: r.drifted ? "error" : r.severity || "" },
			values.length > 1 ? spark(values, r.threshold) : element("span", "–"),
		]);
	}));
	document.getElementById("model-name").textContent = `of ${model.name} (version ${model.version})`;
	document.getElementById("window-name").textContent =
		`window ${short(start)} to ${short(model.newest_window.end)}${model.newest_window.final ? "" : ", still open"}`;
	fill("columns", rows, 7, "nothing was judged in this window");
};

const windowMs = (r) => Date.parse(r.window_end) - Date.parse(r.window_start);

const refresh = async () => {
	const summary = document.getElementById("summary");
	try {
		const [models, alerts] = await Promise.all([
			fetchJson("/v1/models"),
			fetchJson("/v1/alerts?state=open&limit=100"),
		]);
		const firing = alerts.alerts.filter((a) => a.state === "firing").length;
		summary.textContent = firing ? `${firing} firing` : "no alert is firing";
		summary.className = firing ? "firing" : "ok";
		showAlerts(alerts.alerts);
		showModels(models.models);
		await showColumns(models.models);
	} catch (error) {
		summary.textContent = error.message;
		summary.className = "error";
	}
};

refresh();
setInterval(refresh, REFRESH_MS);
