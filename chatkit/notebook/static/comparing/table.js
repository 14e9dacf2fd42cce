// The table: only the rows in view are in the page, and one cell is a stop of the Tab key.
const NEAR = 3; // rows beyond the edges that are drawn too

class Grid {
  constructor(parent, view) {
    this.view = view;
    this.drawn = new Map(); // by place: its row
    this.at = { row: 0, column: 0 }; // the cell that has, or gets, the focus
    this.el = make("div", "ck-table", parent);
    Object.assign(this.el, { role: "grid", ariaLabel: "Answers", tabIndex: -1 });
    this.heads = make("div", "ck-heads", make("div", "ck-rows", this.el));
    this.heads.parentNode.role = "rowgroup";
    this.heads.role = "row";
    this.heads.ariaRowIndex = 1;
    this.space = make("div", "ck-space", this.el);
    this.space.role = "rowgroup";
    this.empty = make("p", "ck-nothing", this.el);
    this.empty.textContent = "No answer is like that.";
    this.el.addEventListener("scroll", () => this.soon(), { passive: true });
    this.el.addEventListener("keydown", (event) => this.key(event));
    this.space.addEventListener("click", (event) => this.clicked(event));
    this.space.addEventListener("focusin", ({ target }) => this.focused(target.closest("[data-column]")));
    this.sizes = new ResizeObserver(() => this.soon());
    this.sizes.observe(this.el);
  }

  get source() {
    return this.view.kernel;
  }

  // -- what is drawn --

  load() {
    const { grid } = this.source;
    const anew = grid.arranged !== this.arranged;
    this.arranged = grid.arranged;
    this.drawn.forEach((row) => row.remove());
    this.drawn.clear();
    if (anew) {
      this.at = { row: 0, column: 0 };
      this.el.scrollTop = 0;
    }
    this.columns();
    this.empty.hidden = grid.rows > 0;
    this.draw();
  }

  follow(news) {
    if (news.anew) return this.load();
    if (news.grid) this.columns();
    for (const place in news.rows ?? {}) if (this.drawn.has(+place)) this.redraw(+place);
    for (const [place, column] of news.cells ?? [])
      if (this.drawn.has(+place)) this.cell(+place, column);
    if (news.rows || news.gone) {
      this.asked = null;
      this.soon();
    }
    if ("detail" in news) this.select();
  }

  columns() {
    const { grid } = this.source;
    const { columns, wanted, rows } = grid;
    this.el.style.setProperty("--ck-count", columns.length);
    this.el.ariaRowCount = rows + 1;
    this.el.ariaColCount = columns.length + 1;
    const told = JSON.stringify([columns, wanted]);
    if (told === this.told) return;
    this.told = told;
    const held = this.heads.contains(focused(this.el)) && focused(this.el).dataset.sort;
    this.heads.replaceChildren();
    make("div", "ck-corner", this.heads).role = "columnheader";
    for (const column of columns) this.heading(column, wanted);
    if (held) this.heads.querySelector(`[data-sort="${held}"]`)?.focus();
  }

  heading({ at, name: named, about, scores, took }, wanted) {
    const el = make("div", "ck-heading", this.heads);
    el.role = "columnheader";
    const sorted = isOfColumns(wanted.by) && wanted.of === at;
    if (sorted) el.ariaSort = wanted.down ? "descending" : "ascending";
    const name = button(el, "ck-named-column", "", null, () => this.view.sortBy(at));
    name.dataset.sort = at;
    name.title = `Sort by ${[named, about].filter(Boolean).join(" · ")}`;
    make("span", "ck-model-name", name).textContent = named;
    if (sorted) name.append(icon(wanted.down ? "down" : "up"));
    if (about) make("div", "ck-about", el).textContent = about;
    const means = make("div", "ck-means", el);
    for (const [name, mean] of scores) {
      const it = make("span", "ck-mean", means);
      it.append(`${name} `);
      make("b", "", it).textContent = mean;
    }
    make("span", "ck-quiet", means).textContent = took;
    if (wanted.differ === "columns") this.versus(name, `${at}`, wanted);
  }

  versus(parent, what, { one, other }) {
    const side = what === one ? "A" : what === other ? "B" : null;
    if (side) make("span", `ck-side ck-side-${side}`, parent).textContent = side;
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  // How high a row is: the style says so, which knows how wide the table is.
  get high() {
    return parseFloat(getComputedStyle(this.el).getPropertyValue("--ck-high"));
  }

  draw() {
    const { clientHeight, scrollTop } = this.el;
    if (!clientHeight) return; // JupyterLab has taken it out of the page
    const { rows } = this.source.grid;
    const { high } = this;
    if (high !== this.was) [this.was, this.el.scrollTop] = [high, this.was ? (scrollTop / this.was) * high : scrollTop];
    this.space.style.height = `${rows * high}px`;
    const first = Math.max(0, Math.floor(this.el.scrollTop / high) - NEAR);
    const last = Math.min(rows, Math.ceil((this.el.scrollTop + clientHeight) / high) + NEAR);
    for (const [place, row] of this.drawn)
      if ((place < first || place >= last) && !row.contains(focused(this.el))) {
        row.remove();
        this.drawn.delete(place);
      }
    for (let place = first; place < last; place++) if (!this.drawn.has(place)) this.row(place);
    this.need(first, last);
    this.rove();
  }

  // Ask for the rows that are not here, once the scrolling is slow enough.
  need(first, last) {
    clearTimeout(this.timer);
    const { rows, grid } = this.source;
    let missing = false;
    for (let place = first; place < last; place++) missing ||= !(place in rows);
    const asked = `${first} ${last} ${grid.arranged}`;
    if (!missing || asked === this.asked) return;
    this.timer = setTimeout(() => {
      this.asked = asked;
      this.source.click(this.view, "rows", { from: first, to: last, arranged: grid.arranged });
    }, 40);
  }

  row(place) {
    const row = document.createElement("div");
    row.className = "ck-line";
    row.role = "row";
    row.ariaRowIndex = place + 2;
    row.style.top = `calc(${place} * var(--ck-high))`;
    row.dataset.place = place;
    const after = [...this.drawn.keys()].filter((each) => each > place);
    this.space.insertBefore(row, after.length ? this.drawn.get(Math.min(...after)) : null);
    this.drawn.set(place, row);
    this.redraw(place);
  }

  redraw(place) {
    const row = this.drawn.get(place);
    const held = row.contains(focused(this.el));
    const { rows, grid } = this.source;
    const known = rows[place];
    row.replaceChildren();
    row.classList.toggle("ck-coming", !known);
    const head = make("div", "ck-rowhead", row);
    head.role = "rowheader";
    if (known) this.label(head, known.label);
    grid.columns.forEach((_, column) => {
      const el = make("div", "ck-cell", row);
      Object.assign(el, { role: "gridcell", tabIndex: -1, ariaColIndex: column + 2 });
      el.dataset.column = column;
      if (known) this.cell(place, column);
    });
    if (held) this.focus(false);
  }

  label(el, { prompt, case: fields, more, sample }) {
    if (prompt) {
      const name = make("div", "ck-prompt", el);
      make("span", "", name).textContent = prompt;
      name.title = prompt;
      if (this.source.grid.wanted.differ === "prompts") this.versus(name, prompt, this.source.grid.wanted);
    }
    const told = make("div", "ck-fields", el);
    for (const [name, value] of fields) {
      const field = make("div", "ck-field-of-case", told);
      make("span", "ck-quiet", field).textContent = `${name} `;
      field.append(value);
      field.title = `${name}: ${value}`;
    }
    const rest = [more && `+ ${more} more`, sample && `sample ${sample}`].filter(Boolean).join(" · ");
    if (rest) make("div", "ck-quiet", el).textContent = rest;
  }

  cell(place, column) {
    const el = this.drawn.get(place).children[column + 1];
    const cell = this.source.rows[place].cells[column];
    el.replaceChildren();
    if (!cell) return el.classList.add("ck-none");
    fillCell(el, cell, this.source.grid.wanted.text.trim().toLowerCase());
    el.classList.toggle("ck-open", this.source.detail?.run === cell.run);
  }

  select() {
    const run = this.source.detail?.run;
    for (const el of this.space.querySelectorAll("[data-run]")) el.classList.toggle("ck-open", +el.dataset.run === run);
    if (+this.here?.dataset.run === run) requestAnimationFrame(() => this.reveal()); // there is less room now
  }

  // -- where one is --

  rove() {
    const at = this.here;
    for (const el of this.space.querySelectorAll("[tabindex='0']")) if (el !== at) el.tabIndex = -1;
    const first = at ?? this.drawn.get(Math.min(...this.drawn.keys()))?.children[1];
    if (first) first.tabIndex = 0;
  }

  get here() {
    return this.drawn.get(this.at.row)?.children[this.at.column + 1];
  }

  focused(el) {
    if (!el) return;
    this.at = { row: +el.parentNode.dataset.place, column: +el.dataset.column };
    this.rove();
  }

  clicked({ target }) {
    const el = target.closest("[data-run]");
    if (el && !getSelection().toString()) this.view.open(+el.dataset.run);
  }

  key(event) {
    if (!event.target.dataset?.column || event.altKey || event.metaKey) return;
    const { row, column } = this.at;
    const { rows, columns } = this.source.grid;
    const page = Math.max(1, Math.floor(this.el.clientHeight / this.high) - 1);
    const all = event.ctrlKey;
    const to = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      PageDown: [row + page, column],
      PageUp: [row - page, column],
      Home: [all ? 0 : row, 0],
      End: [all ? rows - 1 : row, columns.length - 1],
    }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const { run } = this.here?.dataset ?? {};
      if (run) this.view.open(+run, true);
    }
    if (!to) return;
    event.preventDefault();
    const within = (number, count) => Math.max(0, Math.min(count - 1, number));
    this.at = { row: within(to[0], rows), column: within(to[1], columns.length) };
    this.focus();
    if (this.source.detail && this.here?.dataset.run) this.view.open(+this.here.dataset.run);
  }

  focus(reveal = true) {
    if (reveal) this.reveal();
    this.here?.focus({ preventScroll: true });
  }

  // Scroll so that the cell is in view, below the heads and beside the labels.
  reveal() {
    const { high } = this;
    const top = this.at.row * high;
    const inside = this.el.clientHeight - this.heads.offsetHeight;
    if (top < this.el.scrollTop) this.el.scrollTop = top;
    else if (top + high > this.el.scrollTop + inside) this.el.scrollTop = top + high - inside;
    this.draw();
    const cell = this.here?.getBoundingClientRect();
    const around = this.el.getBoundingClientRect();
    const left = around.left + parseFloat(getComputedStyle(this.el).getPropertyValue("--ck-first"));
    if (cell && cell.left < left) this.el.scrollLeft -= left - cell.left;
    else if (cell && cell.right > around.right) this.el.scrollLeft += cell.right - around.right;
  }

  end() {
    this.sizes.disconnect();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }
}
