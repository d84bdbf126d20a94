// The table of every trial (analysis/report/explorer.py): made with DataTables from the JSON in the page, once the
// reader comes near it.
const data = document.getElementById("trials-data");
const picked = document.getElementById("trials-picked");
const compared = document.getElementById("trials-compared");
const GROUPS = ["Trial", "Parameters", "Settings", "Results", "Course"];
let columns, rows, TRIAL, table;

const near = new IntersectionObserver((seen) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  near.disconnect();
  begin();
}, { rootMargin: "1200px" });
if (data) addEventListener("load", () => setTimeout(() => near.observe(document.querySelector(".explorer"))));

async function begin() {
  const { default: DataTable, jQuery } = await import("datatables");
  ({ columns, rows } = JSON.parse(data.textContent));
  const place = (name) => columns.findIndex((column) => column.name === name);
  TRIAL = place("trial_id");
  table = new DataTable("#trials-table", {
    data: rows,
    columns: [pick(DataTable), ...columns.map((column, i) => described(DataTable, column, i))],
    order: place("accuracy") < 0 ? [] : [[place("accuracy") + 1, "desc"]],
    createdRow: (row, trial) => row.querySelector("input").setAttribute("aria-label", `Compare ${trial[TRIAL]}`),
    pageLength: 15,
    autoWidth: false,
    select: { style: "multi", selector: "td.pick", headerCheckbox: false, info: false },
    layout: {
      topStart: { buttons: [
        { extend: "colvis", text: "Columns", columns: ":not(.pick)", collectionLayout: "three-column" },
        { text: "Clear filters", action: () => table.columns().ccSearchClear().search("").draw() },
        { extend: "csv", text: "CSV", filename: "trials",
          exportOptions: { columns: ":visible:not(.pick)", orthogonal: "export" } },
      ] },
      topEnd: { search: { placeholder: "any column" } },
      bottomStart: "info",
      bottomEnd: "paging",
    },
    language: { search: "Find", info: "_START_ to _END_ of _TOTAL_ trials", infoEmpty: "no trial",
      infoFiltered: "(of _MAX_)", zeroRecords: "No trial meets these filters." },
  });
  table.on("select deselect", compare);
  tellOf(table.table().container());
  jQuery(document.body).on("buttons-popover-hide.dt", () => document.querySelector(".explorer .buttons-colvis").focus());
}

function pick(DataTable) {
  return { data: null, name: "pick", className: "pick", orderable: false, searchable: false, defaultContent: "",
    render: DataTable.render.select(), columnControl: [] };
}

function described(DataTable, column, i) {
  const escaped = DataTable.render.text().display;
  const numbers = typeof rows.find((row) => row[i] !== null)[i] === "number";
  const content = [column.few ? "searchList" : "search"];
  return {
    data: i, name: column.name, visible: column.shown,
    className: column.name === "trial_id" ? "name" : numbers ? "" : "text",
    render: (value, kind) => (kind === "display" ? escaped(shown(value)) : value ?? ""),
    columnControl: [{ extend: "dropdown", text: `Filter ${column.title}`, icon: "menu", content }],
  };
}

// At most four decimals, of small numbers four digits; thousands apart.
function shown(value) {
  if (typeof value !== "number") return value ?? "";
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (Math.abs(value) < 0.1) return String(Number(value.toPrecision(4)));
  return value.toLocaleString("en-US", { maximumFractionDigits: 4 });
}

// What DataTables shows by colour alone is told to screen readers too, and its fields get names.
function tellOf(box) {
  function tell() {
    for (const button of box.querySelectorAll(".buttons-columnVisibility")) {
      button.setAttribute("role", "menuitemcheckbox");
      button.setAttribute("aria-checked", button.classList.contains("dt-button-active"));
    }
    for (const button of box.querySelectorAll(".dtcc-list-buttons button")) {
      button.setAttribute("aria-pressed", button.classList.contains("dtcc-button_active"));
    }
    for (const field of box.querySelectorAll(".dtcc-dropdown :is(input, select)")) {
      const what = field.closest(".dtcc-dropdown").getAttribute("aria-label");
      field.setAttribute("aria-label", field.matches("select") ? `${what}: condition` : what);
      if (field.inputMode === "numeric") field.inputMode = "decimal";
    }
  }
  new MutationObserver(tell).observe(box, { subtree: true, childList: true, attributeFilter: ["class"] });
  // ColumnControl takes the space bar for a press and for a click, which undo each other.
  box.addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.matches(".dtcc-button")) event.preventDefault();
  });
}

// The ticked trials, a column each; a row that is not the same in all of them is marked.
function compare() {
  const trials = table.rows({ selected: true }).data().toArray();
  compared.hidden = trials.length < 2;
  if (compared.hidden) {
    compared.replaceChildren();
    picked.textContent = trials.length ? "1 trial is ticked; tick another to compare." : "No trial is ticked.";
    return;
  }
  const body = element("tbody");
  let differing = 0, told = 0;
  for (const group of GROUPS) {
    const inside = columns.map((column, i) => i)
      .filter((i) => i !== TRIAL && columns[i].group === group && trials.some((trial) => trial[i] !== null));
    if (inside.length) body.append(element("tr", { class: "group" }, heading(group, "rowgroup", trials.length + 1)));
    for (const i of inside) {
      const differs = trials.some((trial) => trial[i] !== trials[0][i]);
      differing += differs;
      told += 1;
      const name = heading(columns[i].title, "row");
      if (differs) name.append(" ", element("span", { class: "mark" }, "differs"));
      body.append(element("tr", differs ? { class: "differs" } : {}, name,
        ...trials.map((trial) => element("td", {}, trial[i] === null ? "–" : shown(trial[i])))));
    }
  }
  const head = element("tr", {}, element("td"), ...trials.map((trial) => heading(trial[TRIAL], "col")));
  picked.textContent = `${trials.length} trials are ticked: ${differing} of ${told} values differ.`;
  const only = element("input", { type: "checkbox", id: "trials-only" });
  only.checked = compared.classList.contains("only");
  only.addEventListener("change", () => compared.classList.toggle("only", only.checked));
  const clear = element("button", { type: "button" }, "Untick all");
  clear.addEventListener("click", () => { table.rows().deselect(); picked.scrollIntoView({ block: "nearest" }); });
  compared.replaceChildren(
    element("p", {}, element("label", {}, only, " only what differs"), " ", clear),
    element("table", {}, element("caption", {}, "Ticked trials side by side"), element("thead", {}, head), body),
  );
}

function heading(text, scope, span) {
  return element("th", span ? { scope, colspan: span } : { scope }, text);
}

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...content.map((one) => (one instanceof Node ? one : String(one))));
  return made;
}
