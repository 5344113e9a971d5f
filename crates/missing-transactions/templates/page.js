// Adds search and sorting. Every fact is on the page without it.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const bodies = Array.from(table.tBodies);
  if (bodies.length < 2) continue;
  const text = (body, i) => body.rows[0].cells[i] ? body.rows[0].cells[i].textContent.trim() : "";
  Array.from(table.tHead.rows[0].cells).forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const plain = (body) => text(body, i).replace(/,(?=\d{3})/g, "").replace(/^–$/, "");
      // 9 before 10, but not in what is no number: the digits of a UUID.
      const numeric = !bodies.some((body) => /[a-z]\d|\d[a-z]/i.test(text(body, i)));
      const order = new Intl.Collator("en", { numeric });
      bodies.sort((a, b) => (up ? 1 : -1) * order.compare(plain(a), plain(b)));
      table.append(...bodies);
    });
  });
  if (bodies.length < 6) continue;
  const tools = document.createElement("div");
  tools.className = "tools";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Search";
  input.setAttribute("aria-label", "Search in " + table.parentElement.getAttribute("aria-label"));
  const found = document.createElement("small");
  found.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let n = 0;
    for (const body of bodies) {
      body.hidden = !body.textContent.toLowerCase().includes(wanted);
      if (!body.hidden) n += 1;
    }
    found.textContent = wanted ? n + " of the " + bodies.length + " listed" : "";
  });
  tools.append(input, found);
  table.parentElement.before(tools);
}
