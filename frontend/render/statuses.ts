import { STATUSES } from "../scene/contract";

export const CANNOT_TELL_STATUS = STATUSES.indexOf("cannot_tell");
export const IGNORE_STATUS = STATUSES.indexOf("ignore");
