// The view of one answer: what the kernel has made safe, put in its place as it changes.
const make = (tag, name, parent) => {
  const element = parent.appendChild(document.createElement(tag));
  element.className = name;
  return element;
};
const KERNEL_GONE = "The kernel stopped while this was being written. Run the cell again.";
const FOLD = "fold "; // how the kind of a section begins that is folded; its title follows
const LIKE_MARKDOWN = "jp-RenderedHTMLCommon jp-RenderedMarkdown";

class View {
  constructor(el, unfolded, send) {
    el.classList.add("chatkit-reply");
    this.unfolded = unfolded;
    this.send = send;
    this.answer = make("div", `chatkit chatkit-answer ${LIKE_MARKDOWN}`, el);
    this.notices = make("div", `chatkit ${LIKE_MARKDOWN}`, el);
    const foot = make("div", "chatkit-foot", el);
    this.line = make("span", "chatkit-line", foot);
    this.line.setAttribute("role", "status");
    this.clock = make("span", "", foot);
    this.buttons = make("span", "chatkit-buttons", foot);
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

  foot({ over, line, since, notices, buttons }) {
    this.answer.setAttribute("aria-busy", !over);
    this.line.classList.toggle("chatkit-live", !over);
    if (this.line.textContent !== line) this.line.textContent = line;
    if (this.notices.innerHTML !== notices) this.notices.innerHTML = notices;
    if (`${buttons}` !== this.offered) this.offer(buttons);
    clearInterval(this.timer);
    this.since = since;
    if (since) this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  offer(buttons) {
    this.offered = `${buttons}`;
    this.buttons.replaceChildren();
    for (const [what, label] of buttons) {
      const button = make("button", "", this.buttons);
      button.textContent = label;
      button.onclick = () => {
        for (const each of this.buttons.children) each.disabled = true;
        this.send({ do: what });
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
        const line = shown.foot.over ? shown.foot.line : KERNEL_GONE;
        shown.foot = { ...shown.foot, over: true, since: null, line, buttons: [] };
        views.forEach((view) => view.foot(shown.foot));
      });
      model.on("msg:custom", ({ number, changes = [], foot }) => {
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
      const view = new View(el, unfolded, (what) => model.send(what));
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
