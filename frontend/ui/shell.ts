/** The page's frame: where the picture and the panels sit, and what is drawn again when the editor changes. */
import { t } from "../locale/locale";
import { effect, untracked } from "@preact/signals-core";
import { createElement, render, type ComponentType } from "preact";
import { imagePoint, toScreen } from "../geometry/frames";
import { CellColours } from "../render/colour_by";
import { TissueProblem } from "../render/tissue";
import { Viewport } from "../render/viewport";
import type { Editor } from "../editor/editor";
import { viewOf } from "../editor/words";
import { offeredColours } from "../editor/colour_choice";
import type { Thread } from "../scene/contract";
import type { Tool } from "../editor/tool";
import { signInPage } from "../sync/addresses";
import { PointerInput } from "../canvas/pointer_input";
import { type Command } from "../commands";
import { Keymap, type Overrides } from "../commands/keymap";
import { Overlays } from "../commands/overlays";
import { Keys } from "../commands/keys";
import { dependOn } from "../scene/observed";
import { type ChannelChoice, ChannelSettings } from "./channel_settings";
import { DisplaySettings, type Display } from "./display_settings";
import { Rest } from "../timing/rest";
import { ContextMenu } from "./menu";
import { Legend } from "./legend";
import { Minimap } from "./minimap";
import { GuidelinePanel } from "./guideline_panel";
import { Palette } from "./command_palette";
import { Remap } from "./over";
import { Pins } from "./pins";
import { Playback } from "./playback";
import { SignIn } from "./sign_in";
import type { Tab, Ui } from "./parts";
import { SecondPane } from "./second_pane";
import { SidePanel } from "./side_panel";
import { editingOf, othersOf, stateOf } from "./probes";
import { KeySheet, StatusBar, Toasts } from "./status_bar";
import { Tools } from "./tools_bar";
import { TopBar } from "./top_bar";
import {
  choiceOf,
  colourByOf,
  DISPLAY,
  isDark,
  keep,
  keepChoice,
  keepColourBy,
  KEYS,
  restoreTheme,
  setTheme,
  stored,
  withNewNames,
} from "./stored";

const TILES_AFTER = 150; // ms after the last move of a slider: each choice is tiles of its own

export class Shell {
  private readonly viewport: Viewport;
  private readonly pointerInput: PointerInput;
  private readonly keys: Keys;
  private readonly display: DisplaySettings;
  private readonly colours: CellColours;
  private readonly channels: ChannelSettings | null;
  private tilesTimer = 0;
  private readonly minimap: Minimap;
  private readonly pins: Pins;
  private readonly second: SecondPane;
  private seenTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly parts: [HTMLElement, ComponentType<{ ui: Ui }>][] = [];
  private readonly ui: Ui;
  private tab: Tab = "cells";
  private readonly status: HTMLElement;
  private scheduled = false;
  private stale = true;
  private fitted = false;
  private painting = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly editor: Editor,
  ) {
    restoreTheme();
    const part = (tag: string, name: string, component?: ComponentType<{ ui: Ui }>) => {
      const element = document.createElement(tag);
      element.className = name;
      root.append(element);
      if (component) this.parts.push([element, component]);
      return element;
    };
    root.replaceChildren();
    part("header", "bw-top", TopBar);
    part("nav", "bw-tools", Tools).setAttribute("aria-label", "Tools");
    const middle = part("main", "bw-middle");
    part("aside", "bw-guide", GuidelinePanel);
    part("aside", "bw-side", SidePanel);
    this.status = part("footer", "bw-status", StatusBar);
    part("div", "bw-toasts", Toasts);
    part("div", "bw-over", KeySheet);
    part("div", "bw-over-palette", Palette);
    part("div", "bw-over-keys", Remap);
    part("div", "bw-over-menu", ContextMenu);
    part("div", "bw-over-playback", Playback);
    part("div", "bw-over-signin", SignIn);
    // The page was asked for at 0, and until the tissue is there it is the machine's time, not a person's. Recorded
    // before all else: times never go back, so after another event this one would begin as late as that.
    editor.store.recorder.record("wait_begin", "open", 0);
    this.display = new DisplaySettings(stored<Partial<Display>>(DISPLAY), (display, before) =>
      this.applyDisplay(display, before),
    );
    this.channels = this.channelSettings();
    const { image } = editor.store.opened;
    this.colours = coloursOf(editor);
    this.restoreColours();
    this.viewport = new Viewport(
      middle,
      editor.store.cells,
      this.channels ? { ...image, tiles: this.channels.tiles } : image,
      editor.store.opened.project.classes,
      {
        camera: () => editor.view.camera,
        sketch: () => this.pointerInput.sketch(),
        onResize: () => this.resized(),
        onFrame: () => this.painted(),
      },
      this.colours,
    );
    this.minimap = new Minimap(editor);
    this.pins = new Pins(editor, this.viewport, (thread) => this.showThread(thread));
    const legend = document.createElement("div");
    legend.setAttribute("role", "status"); // read out when the key chooses other colours
    this.parts.push([legend, Legend]);
    middle.append(this.minimap.element, this.pins.element, legend);
    this.second = new SecondPane(editor, this.viewport, middle);
    this.viewport.setDisplay(this.display.now);
    const surface = this.viewport.surface;
    surface.tabIndex = 0;
    surface.setAttribute("role", "application");
    surface.setAttribute(
      "aria-label",
      t("Image {name}. Press ? for the keys.", { name: editor.store.opened.image.name }),
    );
    const overlays = new Overlays();
    this.pointerInput = new PointerInput(editor, this.viewport, (at) => overlays.openMenu(at));
    const map = new Keymap(withNewNames(stored<Overrides>(KEYS) ?? {}));
    this.keys = new Keys(
      {
        editor,
        pointer: this.pointerInput,
        viewport: this.viewport,
        overlays,
        go: (image) => this.go(image),
      },
      map,
    );
    this.ui = {
      editor,
      map,
      run: (command: Command) => {
        this.keys.run(command);
        surface.focus({ preventScroll: true });
      },
      focus: () => surface.focus({ preventScroll: true }),
      go: (image) => this.go(image),
      tab: () => this.tab,
      openTab: (tab) => {
        this.tab = tab;
        this.refresh();
      },
      overlays,
      closeOverlay: () => {
        overlays.close();
        surface.focus({ preventScroll: true });
      },
      keepKeys: () => keep(KEYS, map.kept()),
      display: this.display,
      channels: this.channels,
      colourOf: (person) => this.colours.colourOfPerson(person),
      legend: (by) => this.colours.legend(editor.store.cells, by),
      toggleTheme: () => {
        const theme = isDark() ? "light" : "dark";
        setTheme(theme);
        editor.store.api.post("me/theme/", { theme }).catch(() => undefined); // the browser keeps it as well
      },
      density: () => (this.viewport.isDensity ? this.viewport.density.bins.total : null),
      cursor: () => this.pointerInput.cursorInImage,
      signInUrl: `${signInPage()}?next=${encodeURIComponent(location.pathname + location.search)}`,
    };
    editor.watch(
      () => this.refresh(),
      () => this.refresh("view"),
    );
    effect(() => {
      // Drawn at once: who types on after Ctrl+K means the palette, not the tools below it
      dependOn(overlays, ["open", "at"]);
      untracked(() => editor.store.isLoaded && this.drawPanels());
    });
    editor.store.shownAs = () =>
      viewOf({
        scale: editor.view.camera.scale,
        umPerPx: editor.store.opened.image.um_per_px,
        outlines: this.viewport.areOutlinesShown,
        second: editor.second.isInSight ? (editor.second.image?.id ?? null) : null,
      });
    effect(() => this.viewport.setTurn(editor.view.turn));
    effect(() => {
      if (editor.comments.draft) this.tab = "comments"; // whoever begins a comment sees where to write it
    });
    this.listen();
    this.refresh();
    surface.focus({ preventScroll: true });
    void this.viewport.opened.then(
      () => requestAnimationFrame(() => performance.mark("boxwise:tissue")),
      () => undefined,
    );
  }

  /** As this person had the colours before, where this image offers it. */
  private restoreColours(): void {
    const { store } = this.editor;
    const kept = colourByOf(store.opened.person.id);
    store.colourBy = offeredColours(store).find((by) => by === kept) ?? "class";
    let before = store.colourBy;
    effect(() => {
      if (store.colourBy !== before) keepColourBy(store.opened.person.id, store.colourBy);
      before = store.colourBy;
    });
  }

  /** The cells are there: the panels can show them. */
  begin(): void {
    this.tab = this.editor.store.overview.counts.undecided ? "review" : "cells";
    this.refresh();
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("boxwise:cells")));
  }

  /** Read-only views for the browser tests. */
  probes() {
    const { editor, viewport } = this;
    return Object.freeze({
      ready: viewport.opened.then(
        () => new Promise<void>((resolve) => requestAnimationFrame(() => resolve())),
      ),
      counts: () => ({ ...editor.store.overview.counts, drawn: viewport.drawn() }),
      state: () => ({
        ...stateOf(editor),
        ...editingOf(editor),
        ...othersOf(editor),
        peeking: viewport.peeking,
        frames: viewport.frames,
        frameMs: viewport.lastMilliseconds,
        busy: this.pointerInput.busy || editor.store.promised > 0,
      }),
      cells: () => this.listed(true),
      proposals: () => this.listed(false),
      /** Where an image point is on the page, CSS pixels. */
      toPage: (x: number, y: number) => {
        const { left, top } = viewport.element.getBoundingClientRect();
        const place = viewport.placeOf(toScreen(imagePoint(x, y), editor.view.camera));
        return { x: left + place.x, y: top + place.y };
      },
      /** Milliseconds of `n` frames drawn one after the other, each until the card has finished. */
      measure: (n = 30) =>
        Array.from({ length: n }, () => {
          const begun = performance.now();
          viewport.frame(true);
          viewport.finish();
          return performance.now() - begun;
        }),
    });
  }

  private listed(mine: boolean) {
    const { cells } = this.editor.store;
    const found = [];
    for (let row = 0; row < cells.count; row++)
      if (cells.live[row] && (mine ? cells.isMine(row) : cells.isProposal(row)))
        found.push({
          ...cells.stateOf(row),
          id: cells.idOf(row),
          version: cells.version[row],
          shown: cells.isShown(row),
        });
    return found;
  }

  /** Panels and picture are drawn at most once a frame; for a moved view or cursor only the status bar. */
  private refresh(what: "all" | "view" | "cursor" = "all"): void {
    if (what === "all") this.stale = true;
    if (what !== "cursor") this.viewport.invalidate();
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.minimap.update(this.display.now.minimap);
      this.pins.update();
      this.second.update();
      if (!this.stale) {
        if (this.editor.store.isLoaded) render(createElement(StatusBar, { ui: this.ui }), this.status);
        return;
      }
      this.stale = false;
      this.viewport.setFocus(this.pointerInput.focus());
      this.viewport.drawDue();
      if (!this.editor.store.isLoaded) return; // "no cells" would be a lie until then
      this.root.dataset.cursor = cursorOf(this.editor.toolbox.current);
      this.drawPanels();
    });
  }
  /** A link has led to the comments, or to one of them. thread: its number; 0: none is meant. */
  async openComments(thread: number): Promise<void> {
    this.tab = "comments";
    this.drawPanels();
    await this.editor.comments.load();
    const found = this.editor.comments.threads.find(({ id }) => id === thread);
    if (found) this.showThread(found);
  }

  /** A pin was pressed: its thread among the comments. */
  private showThread(thread: Thread): void {
    this.tab = "comments";
    this.drawPanels();
    document.getElementById(`comment-${thread.id}`)?.scrollIntoView({ block: "nearest" });
    this.editor.comments.show(thread);
  }

  private drawPanels(): void {
    for (const [element, component] of this.parts) render(createElement(component, { ui: this.ui }), element);
  }

  private resized(): void {
    this.editor.view.resizeTo(this.viewport.size);
    if (!this.fitted && this.viewport.size.width > 50) {
      this.fitted = true;
      this.editor.view.fitImage();
    }
  }

  /** After a frame the browser still has to put it on the screen: what the next frame's start finds drawn was seen. */
  private painted(): void {
    this.noteSeen();
    const shown = this.viewport.shownSelected;
    if (
      this.painting ||
      shown < 0 ||
      this.editor.store.painted === shown ||
      shown !== this.editor.store.selected
    )
      return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      if (this.viewport.shownSelected === this.editor.store.selected) this.editor.selection.wasPainted();
    });
  }

  /** What stands still on the screen has been seen; the frame that shows it may be the last one for a while. */
  private noteSeen(): void {
    clearTimeout(this.seenTimer);
    if (this.viewport.peeking || document.hidden) return;
    const { editor } = this;
    const missing = editor.store.seen.painted(
      editor.store.cells,
      editor.view.camera,
      editor.view.visible(),
      this.viewport.masksShown,
      performance.now(),
    );
    if (missing > 0) this.seenTimer = setTimeout(() => this.noteSeen(), missing + 1);
    else if (editor.store.multiSelected.length) this.refresh();
  }

  private channelSettings(): ChannelSettings | null {
    const { image, person } = this.editor.store.opened;
    if (!image.planes) return null;
    const kept = choiceOf<Partial<ChannelChoice>>(person.id, image.id);
    return new ChannelSettings(image.planes, kept, (choice) => {
      keepChoice(person.id, image.id, choice);
      this.refresh();
      window.clearTimeout(this.tilesTimer);
      this.tilesTimer = window.setTimeout(() => this.showTiles(), TILES_AFTER);
    });
  }

  private showTiles(): void {
    if (this.channels) this.viewport.showTiles(this.channels.tiles);
  }

  /** Tissue and cells are shown as chosen; what a filter hides can neither be seen nor picked. */
  private applyDisplay(display: Display, before: Display): void {
    keep(DISPLAY, display);
    this.viewport.setDisplay(display);
    const filters = [
      "hiddenClasses",
      "hiddenStatuses",
      "hiddenAuthors",
      "leastDoubt",
      "proposals",
      "points",
    ] as const;
    if (filters.some((f) => display[f] !== before[f])) this.editor.picture.filter(display);
    this.refresh();
  }

  private go(image: number): void {
    const { pathname } = location;
    location.assign(pathname.replace(/\d+(?=\/?$)/, String(image)));
  }

  private listen(): void {
    const { editor } = this;
    const say = (kind: Parameters<typeof editor.store.recorder.record>[0]) =>
      editor.store.recorder.record(kind);
    window.addEventListener("focus", () => say("focus"));
    window.addEventListener("blur", () => say("blur"));
    window.addEventListener("online", () => editor.store.isLoaded && void editor.store.outbox.flush());
    document.addEventListener("visibilitychange", () => {
      say(document.hidden ? "hidden" : "visible");
      if (!document.hidden && editor.store.save.kind !== "saved" && editor.store.save.kind !== "saving")
        void editor.store.outbox.flush(); // perhaps signed in again
      if (!document.hidden) void editor.liveUpdates.poll();
      if (document.hidden) editor.liveUpdates.live?.close();
      else editor.liveUpdates.live?.open();
    });
    const rest = new Rest();
    const noteActivity = () => {
      // A study's clock has its own pauses.
      if (rest.seen(performance.now()) && this.display.now.breaks && !editor.store.opened.study)
        editor.store.toasts.show(
          t("You have worked for a good while. A short break keeps the eye sharp; what you did is saved."),
        );
    };
    for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, noteActivity);
    window.addEventListener("pagehide", () => {
      say("hidden");
      editor.liveUpdates.live?.close();
      void editor.store.recorder.flush(true);
    });
    this.viewport.surface.addEventListener("pointermove", () => this.refresh("cursor"));
    window.addEventListener("beforeunload", (event) => {
      // Only here would leaving lose work: acts, and own versions not yet chosen for, that the browser does not keep.
      if (
        editor.store.isLoaded &&
        (editor.store.outbox.count || editor.store.log?.conflicts.length) &&
        !editor.store.outbox.durable
      )
        event.preventDefault();
    });
    say(document.hidden ? "hidden" : "visible");
    const waited = () => say("wait_end");
    this.viewport.opened.then(waited, (error: unknown) => {
      waited();
      const words = error instanceof TissueProblem ? error.message : "";
      editor.store.toasts.show(words || t("The pixels of this image could not be read."));
    });
  }
}

/** The pointer over the picture, as workspace.css shows it: a brush draws its own. */
function cursorOf(tool: Tool): "arrow" | "brush" | "cross" {
  if (tool.hasBrushSize) return "brush";
  return tool.hovers ? "arrow" : "cross";
}

function coloursOf({ store: { opened } }: Editor): CellColours {
  const people = opened.people ?? [];
  return new CellColours({
    classes: opened.project.classes,
    people: people.map((person) => person.id),
    roundOf: (layer) => opened.layers[layer]?.publication?.round_number ?? null,
  });
}
