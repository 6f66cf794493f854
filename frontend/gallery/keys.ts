/** The keys of a gallery: physical ones, so that they lie where they lie on every layout. */
import { isTyping } from "../commands/typing";

export type Handlers = Readonly<Record<string, () => void>>;

/** What a key does; null for nothing, or where it belongs to a button or to a field. */
export function actOf(
  e: KeyboardEvent,
  handlers: Handlers,
  ofDigit: (digit: number) => (() => void) | null,
): (() => void) | null {
  if (e.defaultPrevented || isWithModifier(e) || isTyping(e.target)) return null;
  if (isOnControl(e.target) && isOfControls(e)) return null;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(e.code);
  const act = digit ? ofDigit(Number(digit[1])) : (handlers[e.code] ?? null);
  if (!act) return null;
  e.preventDefault();
  return e.repeat && !isArrow(e) ? null : act;
}

const isArrow = (e: KeyboardEvent): boolean => e.code.startsWith("Arrow");
const isOfControls = (e: KeyboardEvent): boolean => isArrow(e) || e.code === "Enter" || e.code === "Space";
const isWithModifier = (e: KeyboardEvent): boolean => e.ctrlKey || e.metaKey || e.altKey;
const isOnControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest("button, select, a, input") !== null;
