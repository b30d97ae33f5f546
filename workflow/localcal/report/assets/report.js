// What the page does beyond showing what is in it: sorted and searched tables, the table of all
// targets, and a page per area, made of the data inside the page.
(() => {
  "use strict";
  const SHOWN = 100, LONG = 40, MEDIUM = 14;
  const data = JSON.parse(document.getElementById("data").textContent);
  const collator = new Intl.Collator("en", { numeric: true });

  // --- words: as localcal.report.words and elements have them -----------------------------------

  const SIZES = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]];
  const fixed = (value, digits) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const known = (value) => value !== null && value !== undefined;

  function figure(value, money) {
    if (!known(value)) return "";
    const sign = value < 0 ? "-" : "", unit = money ? "$" : "", size = Math.abs(value);
    for (const [each, name] of SIZES) {
      if (size >= each * 0.9995) {
        const amount = size / each;
        const digits = amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0;
        return `${sign}${unit}${fixed(amount, digits)}\u00a0${name}`;
      }
    }
    return `${sign}${unit}${fixed(size, 0)}`;
  }
  function percent(value, sign) {
    if (!known(value)) return "";
    const size = 100 * Math.abs(value);
    const digits = size >= 9.95 ? 0 : size >= 0.95 || size === 0 ? 1 : size >= 0.095 ? 2 : 3;
    const before = value < 0 ? "-" : sign && size > 0 ? "+" : "";
    if (size > 0 && size < 0.0005) return "< 0.001\u00a0%";
    return `${before}${fixed(size, digits)}\u00a0%`;
  }
  const number = (value, digits = 0) => (known(value) ? fixed(value, digits) : "");

  // --- elements ---------------------------------------------------------------------------------

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in made && name !== "list") made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }
  const hash = (area) => `#area/${area.level}/${area.code}`;
  const link = (area) => element("a", { href: hash(area) }, area.name);

  // A table of data: columns are {head, text, key, number, link}; rows are whatever they read.
  function dataTable(caption, columns, rows, begin) {
    let order = begin, shown = SHOWN, kept = rows;
    const body = element("tbody"), count = element("p", { className: "muted", role: "status" });
    const more = element("button", { type: "button" }, "Show more");
    const heads = columns.map((column, at) => {
      const button = element("button", { type: "button" }, column.head);
      button.addEventListener("click", () => {
        const down = order.at === at ? !order.down : Boolean(column.number);
        order = { at, down };
        shown = SHOWN;
        draw();
      });
      return element("th", { scope: "col", className: column.number ? "number" : "" }, button);
    });
    function sorted() {
      const { key, number: isNumber } = columns[order.at], sign = order.down ? -1 : 1;
      const of = new Map(kept.map((row) => [row, key(row)]));
      return kept.slice().sort((a, b) => {
        const x = of.get(a), y = of.get(b);
        if (!known(x) || !known(y)) return known(x) ? -1 : known(y) ? 1 : 0;
        return sign * (isNumber ? x - y : collator.compare(x, y));
      });
    }
    function draw() {
      heads.forEach((head, at) => {
        if (at !== order.at) head.removeAttribute("aria-sort");
        else head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      });
      const visible = sorted().slice(0, shown);
      body.replaceChildren(...visible.map((row) => element("tr", {}, ...columns.map((column, at) => {
        const inside = column.link && column.link(row) ? link(column.link(row)) : column.text(row);
        const wide = inside.length > LONG ? "long" : inside.length > MEDIUM ? "text" : "";
        const className = column.number ? "number" : wide;
        return element(at ? "td" : "th", { className, ...(at ? {} : { scope: "row" }) }, inside);
      }))));
      count.textContent = `${fixed(visible.length, 0)} of ${fixed(kept.length, 0)} shown`;
      more.hidden = visible.length >= kept.length;
    }
    more.addEventListener("click", () => { shown += 5 * SHOWN; draw(); });
    draw();
    const table = element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)), body);
    const region = element("div", { className: rows.length > 40 ? "wide tall" : "wide", tabIndex: 0,
      role: "region", "aria-label": caption }, table);
    return {
      parts: [region, count, more],
      keep(test) { kept = rows.filter(test); shown = SHOWN; draw(); },
    };
  }

  // --- targets ----------------------------------------------------------------------------------

  function targetsOf(scope) {
    const table = data.targets[scope];
    return table.what.map((_, at) => ({ table, at, scope }));
  }
  const all = Object.keys(data.targets).flatMap(targetsOf);
  const value = (name) => (row) => row.table[name][row.at];
  const money = (name) => (row) => figure(value(name)(row), value("money")(row));
  const area = (row) => data.areas[value("area")(row)];
  const what = (row) => data.what[value("what")(row)];
  const reason = (row) => {
    const said = data.verdict[value("verdict")(row)] || "";
    const households = value("households")(row);
    return known(households) && households < 10
      ? `${said}; it rests on ${fixed(households, 1)} effective households` : said;
  };
  const amount = (head, name) => ({ head, text: money(name), key: value(name), number: true });
  const size = (row) => (known(value("error")(row)) ? Math.abs(value("error")(row)) : null);
  const COLUMNS = {
    what: { head: "Target", text: what, key: what },
    place: { head: "Place", text: (row) => (area(row) || { name: "" }).name, link: area,
      key: (row) => (area(row) || { name: "" }).name },
    fit: { head: "Fit", text: (row) => row.scope, key: (row) => row.scope },
    published: amount("Published", "published"),
    uprated: amount("In the run's year", "uprated"),
    harmonized: amount("Harmonized", "harmonized"),
    before: amount("Before the fit", "before"),
    after: amount("Estimate", "after"),
    error: { head: "Off by", text: (row) => percent(value("error")(row), true), key: size, number: true },
    file: amount("From its file", "simulated"),
    why: { head: "What became of it", text: reason, key: reason },
    source: { head: "Source", text: (row) => data.source[value("source")(row)],
      key: (row) => data.source[value("source")(row)] },
  };
  const columns = (...names) => names.map((name) => COLUMNS[name]);

  const text = new Map();
  function searched(row) {
    if (!text.has(row)) {
      text.set(row, [what(row), (area(row) || { name: "" }).name, reason(row),
        COLUMNS.source.text(row), row.scope].join(" ").toLowerCase());
    }
    return text.get(row);
  }

  function searchBox(id, label, act) {
    const box = element("input", { type: "search", id, autocomplete: "off" });
    let waiting = 0;
    box.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => act(box.value.toLowerCase().split(/\s+/).filter(Boolean)), 120);
    });
    return element("div", {}, element("label", { htmlFor: id }, label), box);
  }
  const has = (words, where) => words.every((word) => where.includes(word));

  function showTargets(place) {
    // What is looked for first, on a phone too, stands first.
    const names = columns("what", "place", "error", "fit", "published", "uprated", "harmonized",
      "after", "why", "source");
    const table = dataTable("All targets, worst first", names, all,
      { at: names.indexOf(COLUMNS.error), down: true });
    let words = [], level = "", verdict = "";
    const keep = () => table.keep((row) =>
      (!level || (area(row) || {}).level === level) &&
      (!verdict || data.verdict[value("verdict")(row)] === verdict) && has(words, searched(row)));
    const choose = (id, label, options, act) => {
      const box = element("select", { id }, element("option", { value: "" }, "all"),
        ...options.map((one) => element("option", { value: one }, one)));
      box.addEventListener("change", () => { act(box.value); keep(); });
      return element("div", {}, element("label", { htmlFor: id }, label), box);
    };
    const used = [...new Set(all.map((row) => data.verdict[value("verdict")(row)]))].filter(Boolean);
    place.replaceChildren(element("div", { className: "find", role: "search" },
      searchBox("find-targets", "Find targets, such as “AGI Ohio”", (found) => { words = found; keep(); }),
      choose("find-level", "Level", ["nation", "state", "district"], (found) => { level = found; }),
      choose("find-verdict", "What became of it", used, (found) => { verdict = found; })),
    ...table.parts);
  }

  // --- a page per area --------------------------------------------------------------------------

  function bars(counts) {
    const most = Math.max(...counts), step = 340 / counts.length, xmlns = "http://www.w3.org/2000/svg";
    const [low, high] = data.bounds;
    const make = (tag, attributes, inside = "") => {
      const made = document.createElementNS(xmlns, tag);
      Object.entries(attributes).forEach(([name, found]) => made.setAttribute(name, found));
      made.textContent = inside;
      return made;
    };
    const edge = (at) => low * (high / low) ** (at / counts.length);
    const said = (found) => Number(found.toPrecision(2)).toString();
    const svg = make("svg", { viewBox: "0 0 340 120", class: "bars", role: "img",
      "aria-label": "Weights by their factor on the design weight" });
    counts.forEach((found, at) => {
      const tall = 96 * found / most;
      const bar = make("rect", { x: at * step + 1, y: 100 - tall, width: step - 2, height: tall });
      bar.append(make("title", {},
        `${found.toLocaleString("en-US")} weights with a factor of ${said(edge(at))} to ${said(edge(at + 1))}`));
      svg.append(bar);
    });
    [0, counts.length / 2, counts.length].forEach((at, nth) => svg.append(make("text", { x: at * step,
      y: 114, "text-anchor": ["start", "middle", "end"][nth] }, `× ${said(edge(at))}`)));
    return element("figure", {}, svg, element("figcaption", {},
      "How many of its weights the fit made smaller or larger than the design weight, by that factor."));
  }

  const AREA_COLUMNS = [
    { head: "Place", text: (one) => one.name, key: (one) => one.name, link: (one) => one },
    { head: "Half of its targets within", text: (one) => percent(one.median), key: (one) => one.median, number: true },
    { head: "9 of 10 within", text: (one) => percent(one.p90), key: (one) => one.p90, number: true },
    { head: "Worst off by", text: (one) => percent(one.max), key: (one) => one.max, number: true },
    { head: "Effective households", text: (one) => number(one.households, 1), key: (one) => one.households, number: true },
    { head: "Households it stands for", text: (one) => figure(one.weights, false), key: (one) => one.weights, number: true },
    { head: "Its file's median error", text: (one) => percent(one.file_error), key: (one) => one.file_error, number: true },
  ];

  function facts(one) {
    const rows = [
      ["Households it stands for", figure(one.weights, false)],
      ["Effective households", `${number(one.households, 1)}${one.households < 10 ? ": too few to be published" : ""}`],
      ["Weights", number(one.records)],
      ["Share of the largest weight", percent(one.largest)],
      ["Fitted targets", number(one.fitted)],
      ["Half of them within", percent(one.median)],
      ["9 of 10 within", percent(one.p90)],
      ["Worst off by", percent(one.max)],
      ["Its file", one.file || "not asked for in this run"],
    ].filter(([, said]) => said);
    return element("div", { className: "wide" }, element("table", { className: "facts" },
      element("caption", {}, "At a glance"), element("tbody", {}, ...rows.map(([head, said]) =>
        element("tr", {}, element("th", { scope: "row" }, head), element("td", {}, said))))));
  }

  function showArea(one) {
    const at = data.areas.indexOf(one);
    const own = all.filter((row) => value("area")(row) === at);
    const names = columns("what", "error", ...(one.level === "nation" ? ["fit"] : []), "published",
      "uprated", "harmonized", "before", "after", ...(one.file ? ["file"] : []), "why", "source");
    const table = dataTable(`Targets of ${one.name}`, names, own,
      { at: names.indexOf(COLUMNS.error), down: true });
    const places = (found) => found.map((other) => data.areas[other]);
    const lists = [
      ["Neighbours", one.level === "state" ? places(one.near || []) : []],
      [`Districts of ${one.name}`, places(one.parts || [])],
      ["Its state", one.part_of >= 0 ? places([one.part_of]) : []],
      ["Other districts of the state", one.level === "district" ? places(one.near || []) : []],
      ["States", one.level === "nation" ? data.areas.filter((other) => other.level === "state") : []],
    ].filter(([, found]) => found.length);
    const title = element("h1", { tabIndex: -1 }, one.name);
    document.getElementById("area").replaceChildren(
      element("p", {}, element("a", { href: "#answer" }, "Back to the whole run")),
      title, facts(one),
      element("h2", {}, "Its targets"),
      ...(own.length ? [element("div", { className: "find", role: "search" },
        searchBox("find-own", "Find a target", (words) => table.keep((row) => has(words, searched(row))))),
      ...table.parts] : [element("p", {}, "It has no targets of its own.")]),
      ...(one.factors.length ? [element("h2", {}, "Its weights"), bars(one.factors)] : []),
      ...lists.flatMap(([head, found]) => [element("h2", {}, head),
        ...dataTable(head, AREA_COLUMNS, found, { at: 2, down: true }).parts]));
    return title;
  }

  // --- tables that are in the page --------------------------------------------------------------

  Tablesort.extend("number", () => false, (a, b) => parseFloat(b) - parseFloat(a));
  document.querySelectorAll("table.sortable").forEach((table) => new Tablesort(table));
  document.querySelectorAll("table.searched").forEach((table, nth) => {
    const caption = table.caption.textContent, rows = [...table.tBodies[0].rows];
    const where = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const count = element("p", { className: "muted", role: "status" });
    table.parentNode.before(element("div", { className: "find", role: "search" },
      searchBox(`find-rows-${nth}`, `Find in “${caption}”`, (words) => {
        rows.forEach((row) => { row.hidden = !has(words, where.get(row)); });
        const found = rows.filter((row) => !row.hidden).length;
        count.textContent = words.length ? `${found} of ${rows.length} rows` : "";
      })));
    table.parentNode.after(count);
    if (rows.length > 40) table.parentNode.classList.add("tall");
  });

  // --- which page -------------------------------------------------------------------------------

  const title = document.title;
  let back = null;
  function wanted() {
    try {
      return decodeURIComponent(location.hash.slice(1)).split("/");
    } catch {
      return []; // An address that was cut within a character.
    }
  }
  function route() {
    const [kind, level, code] = wanted();
    const one = kind === "area" ? data.areas.find((found) => found.level === level && found.code === code) : null;
    const run = document.getElementById("run"), page = document.getElementById("area");
    if (one && !run.hidden) back = window.scrollY;
    run.hidden = Boolean(one);
    page.hidden = !one;
    document.title = one ? `${one.name} – ${title}` : title;
    if (one) {
      const heading = showArea(one);
      window.scrollTo(0, 0);
      heading.focus({ preventScroll: true });
    } else {
      page.replaceChildren();
      const target = document.getElementById(location.hash.slice(1));
      if (back !== null && !target) window.scrollTo(0, back);
      else if (target && target !== page) target.scrollIntoView();
      back = null;
    }
  }
  window.addEventListener("hashchange", route);
  const targets = document.getElementById("all-targets");
  if (targets) showTargets(targets);
  document.querySelectorAll(".scripted").forEach((one) => { one.hidden = false; });
  route();
})();
