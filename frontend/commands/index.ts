/** Every command, in the order of the list of keys. A new command is one record in one of these files. */
import { CELL_COMMANDS } from "./cells";
import type { CommandRecord } from "./command";
import { DRAWING_COMMANDS, MASK_COMMANDS } from "./drawing";
import { HISTORY_COMMANDS } from "./history";
import { REVIEW_COMMANDS } from "./review";
import { TOOL_COMMANDS } from "./tools";
import { VIEW_COMMANDS } from "./view";
import { WORK_COMMANDS } from "./work";

const ALL = {
  ...TOOL_COMMANDS,
  ...CELL_COMMANDS,
  ...DRAWING_COMMANDS,
  ...HISTORY_COMMANDS,
  ...REVIEW_COMMANDS,
  ...MASK_COMMANDS,
  ...WORK_COMMANDS,
  ...VIEW_COMMANDS,
} as const;

/** The name of a command. Names are kept on people's computers (ui/stored.ts) and in the activity. */
export type Command = keyof typeof ALL;
export const COMMANDS: Readonly<Record<Command, CommandRecord>> = ALL;
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly Command[];
