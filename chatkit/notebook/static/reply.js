// The view of one answer: what the kernel has made safe, put in its place as it changes.
const make = (tag, name, parent) => {
  const element = parent.appendChild(document.createElement(tag));
  element.className = name;
  return element;
};
const BUSY = "The kernel is busy: it takes this when the cell that runs has ended.";
const CANNOT_STOP = "The kernel is busy. Interrupt the cell that runs, then call chat.stop().";
const FOLD = "fold "; // how the kind of a section begins that is folded; its title follows
const LIKE_MARKDOWN = "jp-RenderedHTMLCommon jp-RenderedMarkdown";

// Tell the kernel what was clicked, and `say` so where it does not take it; returns what is to
// be called when it does.
const press = (model, what, say) => {
  model.send({ do: what });
  const timer = setTimeout(() => say(what === "stop" ? CANNOT_STOP : BUSY), 1500);
  return () => {
    clearTimeout(timer);
    say("");
  };
};

class View {
  constructor(el, unfolded, click) {
    el.classList.add("chatkit-reply");
    this.unfolded = unfolded;
    this.click = click;
    this.answer = make("div", `chatkit chatkit-answer ${LIKE_MARKDOWN}`, el);
    this.notices = make("div", `chatkit ${LIKE_MARKDOWN}`, el);
    const foot = make("div", "chatkit-foot", el);
    this.line = make("span", "chatkit-line", foot);
    this.line.setAttribute("role", "status");
    this.clock = make("span", "", foot);
    this.buttons = make("span", "chatkit-buttons", foot);
    this.busy = make("span", "", foot);
    this.busy.setAttribute("role", "alert");
    this.sections = [];
  }

  // Show the blocks of a section, from one of them on.
  section(number, kind, blocks, at) {
    this.sections[number] ??= kind.startsWith(FOLD)
      ? this.fold(number, kind.slice(FOLD.length))
      : this.open(this.answer);
    const { nodes, end } = this.sections[number];
    nodes.splice(at).flat().forEach((node) => node.remove());
    for (const block of blocks.slice(at)) {
      const template = document.createElement("template");
      template.innerHTML = block;
      nodes.push([...template.content.childNodes]);
      end.before(template.content);
    }
  }

  open(parent) {
    return { parent, nodes: [], end: parent.appendChild(document.createComment("")) };
  }

  fold(number, title) {
    const fold = make("details", "", this.answer);
    fold.open = this.unfolded.has(number);
    fold.ontoggle = () => this.unfolded[fold.open ? "add" : "delete"](number);
    make("summary", "", fold).textContent = title;
    return this.open(fold);
  }

  drop(number) {
    for (const { parent, nodes, end } of this.sections.splice(number)) {
      [...nodes.flat(), end].forEach((node) => node.remove());
      if (parent !== this.answer) parent.remove();
    }
  }

  foot({ over, line, since, notices, buttons, each }) {
    this.answer.setAttribute("aria-busy", !over);
    this.line.classList.toggle("chatkit-live", !over);
    if (this.line.textContent !== line) this.line.textContent = line;
    if (this.told !== notices) {
      this.told = this.notices.innerHTML = notices;
      for (const asked of this.notices.querySelectorAll("[data-call]")) {
        const place = make("div", "chatkit-buttons", asked);
        this.offer(place, each, ` ${asked.dataset.call}`);
      }
    }
    if (this.offered !== `${buttons}`) {
      this.offered = `${buttons}`;
      this.offer(this.buttons, buttons);
    }
    clearInterval(this.timer);
    this.since = since;
    if (since) this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  offer(place, buttons, about = "") {
    place.replaceChildren();
    for (const [what, label] of buttons) {
      const button = make("button", "", place);
      button.textContent = label;
      button.onclick = () => {
        for (const each of place.children) each.disabled = true;
        this.click(what + about);
      };
    }
  }

  tick() {
    const seconds = this.since && Math.round((Date.now() - this.since) / 1000);
    this.clock.textContent = seconds > 0 ? ` · ${seconds} s` : "";
  }
}

export default () => {
  const views = new Set();
  const unfolded = new Set(); // outlives a view: Lab makes a new one when an output is updated
  let shown; // what the kernel has told
  let born; // this page saw the widget made: what takes its place at the end arrives here
  let asked;
  let leave;
  let taken = () => {}; // to be called when the kernel has taken the last click

  const paint = (view) => {
    view.drop(0);
    shown.sections.forEach(([kind, blocks], number) => view.section(number, kind, blocks, 0));
    view.foot(shown.foot);
  };

  const change = ([number, kind, at, keep, more]) => {
    if (kind === null) {
      shown.sections.splice(number);
      views.forEach((view) => view.drop(number));
      return;
    }
    const [, blocks] = (shown.sections[number] ??= [kind, []]);
    const kept = keep ? blocks[at].slice(0, keep) : "";
    blocks.splice(at, Infinity, ...more);
    if (kept) blocks[at] = kept + blocks[at];
    views.forEach((view) => view.section(number, kind, blocks, at));
  };

  return {
    initialize({ model }) {
      const load = () => {
        shown = structuredClone(model.get("shown"));
        asked = false;
        views.forEach(paint);
      };
      load();
      born = !shown.opened;
      leave = () => shown.foot.over && born && !views.size && model.send({ do: "close" });
      model.on("change:shown", load);
      model.on("comm_live_update", () => {
        const line = shown.foot.over ? shown.foot.line : shown.foot.gone;
        shown.foot = { ...shown.foot, over: true, since: null, line, buttons: [] };
        views.forEach((view) => view.foot(shown.foot));
      });
      model.on("msg:custom", ({ heard, number, changes = [], foot }) => {
        if (heard) return taken();
        if (number !== shown.number + 1) {
          if (!asked && number > shown.number) model.send({ do: "tell" });
          asked = true; // something was missed, as while a page loads
          return;
        }
        shown.number = number;
        changes.forEach(change);
        if (foot) {
          shown.foot = foot;
          views.forEach((view) => view.foot(foot));
        }
        leave();
      });
    },
    render({ model, el }) {
      const click = (what) => {
        taken();
        taken = press(model, what, (words) => {
          views.forEach((each) => (each.busy.textContent = words));
        });
      };
      const view = new View(el, unfolded, click);
      views.add(view);
      paint(view);
      return () => {
        clearInterval(view.timer);
        views.delete(view);
        leave();
      };
    },
  };
};
