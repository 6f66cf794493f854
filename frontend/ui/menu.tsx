/** The menu of the right button: what can be done with what lies under the pointer. Made of the commands. */
import { t } from "../locale/locale";
import { useEffect, useRef } from "preact/hooks";
import { COMMAND_NAMES, COMMANDS, type Command } from "../commands";
import { keyLabel } from "../commands/keymap";
import type { Store } from "../editor/store";
import { Swatch, type Ui } from "./parts";

/** Room that the menu needs, CSS pixels: nearer to an edge it opens to the other side. */
const ROOM = { width: 280, height: 360 };

export function commandsHere(store: Store): Command[] {
  return COMMAND_NAMES.filter((name) => {
    const { inMenu, scope, whyNot } = COMMANDS[name];
    const fits = scope !== "many" || store.multiSelected.length > 1;
    return inMenu === true && fits && (whyNot?.(store) ?? null) === null;
  });
}

/** Whether what is selected can get a class. */
function isClassifiable(store: Store): boolean {
  if (!store.canWrite) return false;
  return store.multiSelected.length > 0 || store.onProposal || store.isOwnCell(store.selected);
}

export function ContextMenu({ ui }: { ui: Ui }) {
  const isOpen = ui.overlays.open === "menu";
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    menu.current?.querySelector("button")?.focus();
    const close = (e: Event) => {
      if (!(e.target instanceof Node) || !menu.current?.contains(e.target)) ui.overlays.close();
    };
    window.addEventListener("pointerdown", close, true);
    return () => window.removeEventListener("pointerdown", close, true);
  }, [isOpen]);
  if (!isOpen) return null;
  const { store } = ui.editor;
  const { x, y } = ui.overlays.at;
  const left = Math.min(x, Math.max(0, innerWidth - ROOM.width));
  const top = Math.min(y, Math.max(0, innerHeight - ROOM.height));
  const choose = (act: () => void) => {
    ui.closeOverlay();
    act();
  };
  return (
    <div
      class="bw-menu"
      role="menu"
      aria-label={t("What can be done here")}
      ref={menu}
      style={{ left: `${left}px`, top: `${top}px` }}
      onKeyDown={(e) => step(e, ui)}
    >
      {commandsHere(store).map((command) => (
        <button key={command} type="button" role="menuitem" onClick={() => choose(() => ui.run(command))}>
          <span class="bw-grow">{t(COMMANDS[command].sentence)}</span>
          <kbd>{keyLabel(ui.map.keysOf(command)[0])}</kbd>
        </button>
      ))}
      {isClassifiable(store) &&
        store.offeredClasses.map((c) => (
          <button
            key={c.id}
            type="button"
            role="menuitem"
            onClick={() => choose(() => ui.editor.chooseClass(c))}
          >
            <Swatch colour={c.color} />
            <span class="bw-grow">{c.name}</span>
            {c.key !== null && <kbd>{c.key}</kbd>}
          </button>
        ))}
    </div>
  );
}

/** Arrow keys go through the items, Escape closes. */
function step(e: KeyboardEvent, ui: Ui): void {
  if (!(e.currentTarget instanceof HTMLElement)) return;
  const items = [...e.currentTarget.querySelectorAll("button")];
  const at = items.indexOf(document.activeElement as HTMLButtonElement);
  e.stopPropagation();
  if (e.key === "Escape" || e.key === "Tab") ui.closeOverlay();
  else if (e.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
  else if (e.key === "ArrowUp") items[(at - 1 + items.length) % items.length]?.focus();
  else return;
  e.preventDefault();
}
