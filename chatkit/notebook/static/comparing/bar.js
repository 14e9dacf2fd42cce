// Above the table: how far it has come, and the ways to look at it.
const BROKEN = {
  error: ["error", "errors"],
  interrupted: ["interrupted", "interrupted"],
  stopped: ["stopped", "stopped"],
  skipped: ["skipped", "skipped"],
};
const TABS = { table: "Table", summary: "Summary", plot: "Plot" };

class Head {
  constructor(parent, view) {
    this.view = view;
    this.progress = make("div", "ck-progress", parent);
    this.progress.role = "progressbar";
    this.progress.ariaLabel = "Answered";
    this.parts = ["complete", "broken", "left", "running"].map((name) => make("span", `ck-part-${name}`, this.progress));
    const head = make("header", "ck-head", parent);
    this.counts = make("div", "ck-counts", head);
    this.money = make("div", "ck-money ck-quiet", head);
    this.buttons = make("div", "ck-row", head);
    this.start = button(this.buttons, "ck-main", "Start", null, () => view.click("start"));
    this.again = button(this.buttons, "ck-named", "", null, () => view.click("retry"));
    this.stop = button(this.buttons, "ck-named", "Stop", "stop", () => view.click("stop"));
    this.stop.append("Stop");
    this.stop.title = "";
  }

  load() {
    const { head, gone } = this.view.kernel;
    const { total, complete, running, broken, held, money, left, over, again } = head;
    const count = (...names) => broken.reduce((sum, [name, count]) => sum + (names.includes(name) ? count : 0), 0);
    const shares = [complete, count("error", "interrupted"), count("stopped", "skipped"), running];
    this.parts.forEach((part, at) => (part.style.width = `${total ? (100 * shares[at]) / total : 0}%`));
    Object.assign(this.progress, { ariaValueMin: 0, ariaValueMax: total, ariaValueNow: complete });
    this.progress.classList.toggle("ck-over", over);
    this.count(head);
    this.money.textContent = [held || money, left].filter(Boolean).join(" · ");
    this.show(this.start, !!held && !gone);
    this.show(this.stop, !over && !held && !gone);
    this.show(this.again, over && again > 0 && !gone);
    this.again.textContent = `Retry ${again.toLocaleString()}`;
  }

  show(it, shown) {
    const held = focused(it) === it;
    it.hidden = !shown;
    if (held && !shown) (this.buttons.querySelector("button:not([hidden])") ?? this.view.table.el).focus();
  }

  // Each count is a way to see what it counts.
  count({ total, complete, running, queued, broken }) {
    const told = [
      ["complete", `${complete.toLocaleString()} of ${total.toLocaleString()} answered`],
      ...(running + queued ? [["running", running ? `${running.toLocaleString()} running` : `${queued.toLocaleString()} to go`]] : []),
      ...broken.map(([name, count]) => [name, `${count.toLocaleString()} ${BROKEN[name][count === 1 ? 0 : 1]}`]),
    ];
    const known = [...this.counts.children];
    told.forEach(([name, words], at) => {
      const it = known[at] ?? button(this.counts, "", "", null, () => this.view.only(it.dataset.status));
      it.className = `ck-count ck-count-${name}`;
      it.dataset.status = name;
      if (it.textContent !== words) it.textContent = words;
      it.title = name === "complete" ? "Show the complete ones" : "Show only these";
    });
    known.slice(told.length).forEach((it) => it.remove());
  }
}

class Bar {
  constructor(parent, view) {
    this.view = view;
    this.el = make("div", "ck-bar", parent);
    this.tabs = make("div", "ck-tabs", this.el);
    this.tabs.role = "tablist";
    for (const [name, label] of Object.entries(TABS)) {
      const tab = button(this.tabs, "ck-tab", label, null, () => view.turn(name));
      tab.role = "tab";
      tab.dataset.tab = name;
    }
    rove(this.tabs);
    this.tools = make("div", "ck-tools", this.el);
    const search = make("div", "ck-find", this.tools);
    search.append(icon("search"));
    this.text = field("input", "", search, "Search the answers", { type: "search", placeholder: "Search" });
    this.text.oninput = () => this.typed();
    this.filter = this.opener("Filter", filters);
    this.sort = this.opener("Sort", sorting);
    this.differ = this.opener("Differences", comparing);
  }

  opener(label, fill) {
    const it = button(this.tools, "ck-tool", label, null, () => {
      const layer = this.view.openLayer("ck-popup", "dialog", label, it);
      if (!layer) return;
      layer.anew = () => (layer.stale = true);
      layer.fill = () => {
        const held = [...layer.el.querySelectorAll("select, input")].indexOf(focused(layer.el));
        layer.stale = false;
        layer.el.replaceChildren();
        fill(layer, this.view);
        [...layer.el.querySelectorAll("select, input")][Math.max(0, held)]?.focus();
      };
      layer.fill();
    });
    it.ariaHasPopup = "dialog";
    return it;
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.view.arrange({ text: this.text.value }), 250);
  }

  load() {
    const { prompts, columns } = this.view.kernel.names;
    const { wanted } = this.view;
    const { status, test, prompt, column, sample, by, down, differ } = wanted;
    const filters = [status, test, prompt, column >= 0, sample].filter(Boolean).length;
    this.filter.textContent = filters ? `Filter (${filters})` : "Filter";
    this.filter.classList.toggle("ck-on", filters > 0);
    this.sort.classList.toggle("ck-on", !!by || down);
    this.differ.classList.toggle("ck-on", !!differ);
    this.differ.hidden = prompts.length < 2 && columns.length < 2;
    if (focused(this.text) !== this.text && this.text.value !== wanted.text) this.text.value = wanted.text;
    if (this.view.layer?.stale) this.view.layer.fill();
    this.tools.hidden = this.view.tab !== "table";
    for (const tab of this.tabs.children) tab.ariaSelected = tab.dataset.tab === this.view.tab;
  }
}
