/** Which pointer draws, and what its events mean for the tool: begin, go on, finish. Pure.
 *
 *  A drag is begun by one button and ended by the same one. Other buttons, other pointers beside a mouse or pen, a lost
 *  capture, a wheel and a window that loses the focus do not end it: what is being drawn is never dropped without a
 *  word. A second finger does: the first one was the beginning of a pinch. */

export type PointerKind = "mouse" | "pen" | "touch";
/** As pointer events have it: `button` that changed (-1: none), `buttons` that are down. */
export type Raw = {
  readonly id: number;
  readonly kind: PointerKind;
  readonly button: number;
  readonly buttons: number;
};
export type PressState = { readonly id: number; readonly kind: PointerKind; readonly button: number } | null;
/** "interrupted": the browser takes the pointer away, and the drag ends without a result. */
export type Meaning = "begin" | "move" | "end" | "interrupted" | "pinch" | "none";
export type Step = { readonly state: PressState; readonly meaning: Meaning };

/** The bit of each button in `buttons`; a pen's eraser is button 5. */
const BIT: Record<number, number> = { 0: 1, 1: 4, 2: 2, 5: 32 };

export type Event = { readonly type: "down" | "move" | "up" | "cancel" | "lostcapture" } & Raw;

/** `draws`: whether a button draws with the tool in hand (the right one only asks Smart). */
export function step(state: PressState, event: Event, draws: (button: number) => boolean): Step {
  if (!state) return begin(event, draws);
  if (event.id !== state.id) {
    const isSecondFinger = event.type === "down" && event.kind === "touch" && state.kind === "touch";
    return isSecondFinger ? { state: null, meaning: "pinch" } : { state, meaning: "none" };
  }
  switch (event.type) {
    case "up":
      return { state: null, meaning: "end" };
    case "cancel":
      return { state: null, meaning: "interrupted" };
    case "move":
      // With several buttons down the browser says by a move that one was let go.
      return isDown(event, state.button) ? { state, meaning: "move" } : { state: null, meaning: "end" };
    case "down": // another button of the same pointer
    case "lostcapture":
      return { state, meaning: "none" };
  }
}

function begin(event: Event, draws: (button: number) => boolean): Step {
  const isPress = event.type === "down" || (event.type === "move" && event.button >= 0);
  if (!isPress || !draws(event.button) || !isDown(event, event.button))
    return { state: null, meaning: "none" };
  return { state: { id: event.id, kind: event.kind, button: event.button }, meaning: "begin" };
}

/** Touch and tests may leave `buttons` out of a press; a mouse's moves have it always. */
const isDown = (event: Event, button: number): boolean =>
  event.type === "down" || (event.buttons & (BIT[button] ?? 0)) !== 0;
