"use strict";
// The molecule table, its downloads, tooltips of charts, copying, and the switch between light and dark.
// Text from data only ever becomes text (textContent), never markup.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const PAGE = 50; // rows shown at first, and by each "Show more"
  const ON_PAPER = 200; // minimum number of rows printed, if available
  const find = (id) => document.getElementById(id);
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const readable = (value) => {
    if (value === null || value === undefined || value === "") return "";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return value.toLocaleString("en-US");
    const size = Math.abs(value);
    return size >= 1e6 || size < 1e-3 ? value.toPrecision(3) : String(Number(value.toPrecision(size >= 1000 ? 6 : 4)));
  };
  const drawing = (symbol, attributes) => {
    const svg = document.createElementNS(NS, "svg"), use = document.createElementNS(NS, "use");
    for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
    use.setAttribute("href", `#${symbol}`);
    svg.append(use);
    return svg;
  };
  const icon = (name) => drawing(`icon-${name}`, { class: "icon" });
  const picture = (number, smiles) =>
    drawing(`m${number}`, { class: "mol", viewBox: "0 0 220 160", role: "img", "aria-label": smiles });

  // ---- light and dark
  const theme = find("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

  // ---- copying
  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no permission, or an old browser
      const area = make("textarea", { class: "visually-hidden", readonly: "" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.replaceChildren(icon("done"));
    button.classList.add("copied");
    setTimeout(() => { button.replaceChildren(icon("copy")); button.classList.remove("copied"); }, 1200);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
  });

  const source = find("data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const { columns, rows, drawings } = data;
  const byName = new Map(columns.map((column, index) => [column.name.toLowerCase(), index]));
  const isNumber = (column) => column.kind === "number" || column.kind === "integer";
  const shownColumns = columns.map((_, index) => index).filter((index) => columns[index].shown);
  const state = { sort: null, descending: false, search: "", limit: PAGE };
  let found = rows.map((_, number) => number);

  // ---- searching: words, and comparisons such as qed>0.8
  const comparison = (word) => {
    const match = /^(.+?)(>=|<=|>|<|=)(-?[\d.]+(?:e[-+]?\d+)?)$/i.exec(word);
    const index = match && byName.get(match[1].toLowerCase());
    if (index === undefined || index === null || !isNumber(columns[index])) return null;
    const bound = Number(match[3]);
    const tests = { ">": (v) => v > bound, "<": (v) => v < bound, ">=": (v) => v >= bound, "<=": (v) => v <= bound, "=": (v) => v === bound };
    return (row) => row[index] !== null && tests[match[2]](row[index]);
  };
  const containing = (word) => {
    const lowered = word.toLowerCase(), exact = word !== lowered; // a capital letter makes the word case-sensitive
    return (row) => row.some((value, index) => {
      if (typeof value !== "string") return false;
      return exact || columns[index].kind === "smiles" ? value.includes(word) : value.toLowerCase().includes(lowered);
    });
  };
  const select = () => {
    const tests = state.search.split(/\s+/).filter(Boolean).map((word) => comparison(word) || containing(word));
    found = rows.map((_, number) => number).filter((number) => tests.every((test) => test(rows[number])));
    if (state.sort === null) return;
    const index = state.sort;
    const order = isNumber(columns[index]) ? (a, b) => a - b : (a, b) => (a < b ? -1 : Number(a > b));
    const key = (number) => { const value = rows[number][index]; return typeof value === "boolean" ? Number(value) : value; };
    const absent = (value) => value === null || value === "";
    found.sort((one, two) => { // rows without a value come last in both directions
      const a = key(one), b = key(two);
      if (absent(a) || absent(b)) return absent(a) - absent(b) || one - two;
      return (state.descending ? order(b, a) : order(a, b)) || one - two;
    });
  };

  // ---- drawing the table
  const table = find("table"), body = table.tBodies[0];
  const cell = (number, index) => {
    const column = columns[index], value = rows[number][index];
    const attributes = { class: isNumber(column) ? "num" : column.kind, "data-label": column.name };
    if (value === null || value === "") attributes.class += " blank";
    const made = make("td", attributes, readable(value));
    if (isNumber(column) && value !== null) made.title = String(value);
    return made;
  };
  const line = (number) => {
    const smiles = String(rows[number][0] ?? "");
    const first = make("td", { class: "structure" });
    first.append(drawings[number] >= 0 ? picture(drawings[number], smiles) : make("span", { class: "undrawn" }, ""));
    const made = make("tr", { id: `row-${number}` }, first);
    for (const index of shownColumns) {
      const one = cell(number, index);
      if (index === 0) one.append(" ", make("button", { type: "button", class: "copy", "data-copy": smiles, title: "Copy SMILES", "aria-label": "Copy SMILES" }, icon("copy")));
      made.append(one);
    }
    return made;
  };
  const head = make("tr", {}, make("th", { scope: "col", class: "structure" }, ""));
  const chooser = find("sort");
  chooser.append(make("option", { value: "" }, "given order"));
  for (const index of shownColumns) {
    const column = columns[index];
    const button = make("button", { type: "button", title: column.hint || `Sort by ${column.name}` }, column.name);
    button.addEventListener("click", () => sortBy(index));
    head.append(make("th", { scope: "col", class: isNumber(column) ? "num" : column.kind, "data-column": column.name }, button));
    for (const [mark, words] of isNumber(column) ? [["-", "high first"], ["", "low first"]] : [["", ""]])
      chooser.append(make("option", { value: mark + column.name }, column.name + (words ? `, ${words}` : "")));
  }
  table.tHead.append(head);
  const draw = () => {
    body.replaceChildren(...found.slice(0, state.limit).map(line));
    if (!found.length) body.append(make("tr", {}, make("td", { class: "empty", colspan: String(shownColumns.length + 1) }, "no matching molecule")));
    for (const th of head.cells) th.removeAttribute("aria-sort");
    if (state.sort !== null) {
      const th = [...head.cells].find((one) => one.dataset.column === columns[state.sort].name);
      if (th) th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    }
    chooser.value = state.sort === null ? "" : (state.descending ? "-" : "") + columns[state.sort].name;
    find("count").textContent = found.length === rows.length ? `${rows.length.toLocaleString("en-US")} rows` : `${found.length.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")} rows`;
    find("more").parentElement.hidden = found.length <= state.limit;
    find("more").textContent = `Show ${Math.min(PAGE * 2, found.length - state.limit)} more`;
  };
  const fit = () => { // sticky headers and horizontal scrolling exclude each other
    const holder = table.parentElement;
    holder.classList.remove("scrolling");
    holder.classList.toggle("scrolling", table.scrollWidth > holder.clientWidth + 1);
  };
  addEventListener("resize", fit);
  const update = () => { select(); draw(); fit(); };

  // ---- the view is kept in the address: #sort=-qed&search=Cl
  const remember = () => {
    const parts = new URLSearchParams();
    if (state.sort !== null) parts.set("sort", (state.descending ? "-" : "") + columns[state.sort].name);
    if (state.search) parts.set("search", state.search);
    const hash = parts.toString();
    try { history.replaceState(null, "", hash ? `#${hash}` : "#molecules"); } catch { /* some viewers forbid it */ }
  };
  const chooseSort = (text) => {
    const descending = text.startsWith("-") && !byName.has(text.toLowerCase());
    const index = byName.get((descending ? text.slice(1) : text).toLowerCase());
    state.sort = index === undefined ? null : index;
    state.descending = index !== undefined && descending;
  };
  const sortBy = (index) => {
    if (state.sort === index) state.descending = !state.descending;
    else { state.sort = index; state.descending = isNumber(columns[index]); }
    remember();
    update();
  };
  const recall = () => {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) return;
    const parts = new URLSearchParams(hash);
    chooseSort(parts.get("sort") || "");
    state.search = parts.get("search") || "";
    find("search").value = state.search;
    find("molecules").scrollIntoView({ behavior: "instant" });
  };
  chooser.addEventListener("change", () => { chooseSort(chooser.value); remember(); update(); });
  find("search").addEventListener("input", (event) => { state.search = event.target.value; state.limit = PAGE; remember(); update(); });
  find("more").addEventListener("click", () => { state.limit += PAGE * 2; draw(); });
  addEventListener("hashchange", () => { recall(); update(); });
  addEventListener("beforeprint", () => {
    if (found.length > state.limit) { state.limit = Math.min(found.length, ON_PAPER); draw(); }
    const left = found.length - Math.min(found.length, state.limit);
    find("printed").textContent = left ? `And ${left.toLocaleString("en-US")} more, in the file this was printed from.` : "";
  });

  // ---- downloads: matching rows, in the order shown
  const save = (text, type, suffix) => {
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: `${data.name}.${suffix}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  // spreadsheets run such cells as formulas: prefix an apostrophe, except to plain numbers
  const harmless = (text) => (/^[=+\-@\t\r]/.test(text) && !(text.trim() !== "" && Number.isFinite(Number(text))) ? `'${text}` : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csvCell = (value, kind) => {
    if (value === null) return "";
    const text = typeof value === "boolean" ? String(Number(value)) : String(value);
    return quoted(kind === "text" ? harmless(text) : text);
  };
  const csv = () => [
    columns.map((column) => csvCell(column.name, "text")).join(","),
    ...found.map((number) => rows[number].map((value, index) => csvCell(value, columns[index].kind)).join(",")),
  ].join("\n") + "\n";
  const oneLine = (value) => {
    const text = String(value ?? "").split(/\s+/).filter(Boolean).join(" ");
    return /^(\$\$\$\$|>)/.test(text) ? ` ${text}` : text;
  };
  const structures = async () => {
    const bytes = Uint8Array.from(atob(data.structures), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return (await new Response(stream).text()).split("\0");
  };
  const sdf = async () => {
    const blocks = await structures(), name = byName.get("identifier");
    return found.filter((number) => blocks[number]).map((number) => {
      const block = blocks[number], title = name === undefined ? "" : oneLine(rows[number][name]).slice(0, 80);
      const fields = columns.map((column, index) => [column.name, rows[number][index]])
        .filter(([, value]) => value !== null && value !== "")
        .map(([key, value]) => `>  <${oneLine(key).replaceAll("<", "(").replaceAll(">", ")")}>\n${oneLine(value)}\n\n`);
      return title + block.slice(block.indexOf("\n")) + fields.join("") + "$$$$\n";
    }).join("");
  };
  find("csv").addEventListener("click", () => save(csv(), "text/csv", "csv"));
  find("sdf").addEventListener("click", async () => save(await sdf(), "chemical/x-mdl-sdfile", "sdf"));

  // ---- tooltips of chart dots
  const tip = find("tip");
  const show = (dot) => {
    const number = Number(dot.dataset.row), row = rows[number];
    const facts = make("dl");
    for (const index of shownColumns) {
      if (index === 0 || row[index] === null || row[index] === "") continue;
      facts.append(make("dt", {}, columns[index].name), make("dd", {}, readable(row[index])));
    }
    tip.replaceChildren(drawings[number] >= 0 ? picture(drawings[number], String(row[0])) : make("p", { class: "caption" }, String(row[0])), facts);
    tip.hidden = false;
    const place = dot.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const left = place.right + 12 + size.width > innerWidth ? place.left - size.width - 12 : place.right + 12;
    tip.style.left = `${Math.max(6, left)}px`;
    tip.style.top = `${Math.max(6, Math.min(place.top - 20, innerHeight - size.height - 6))}px`;
  };
  document.addEventListener("pointerover", (event) => {
    const dot = event.target.closest("[data-row]");
    if (dot) show(dot); else tip.hidden = true;
  });
  document.addEventListener("click", (event) => { // a dot links to its row
    const dot = event.target.closest("[data-row]");
    if (!dot) return;
    const number = Number(dot.dataset.row);
    state.search = find("search").value = "";
    select();
    state.limit = Math.max(state.limit, found.indexOf(number) + 1);
    draw();
    const line = find(`row-${number}`);
    line.scrollIntoView({ block: "center" });
    line.classList.add("marked");
  });

  document.querySelectorAll(".tools").forEach((part) => { part.hidden = false; });
  recall();
  update();
  // for scripts and tests
  Object.defineProperty(window, "report", { value: Object.freeze({ csv, sdf, data }) });
})();
