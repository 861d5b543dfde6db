// Where a session's life stands, as the staff's page asks for it and says it.
import type { FacilityView, SessionStatus } from "../../generated/wire.ts";
import { type Message, t } from "./messages.ts";

/** Whether nothing can change any more. */
export function isOver({ status }: Pick<FacilityView, "status">): boolean {
  return ["completed", "cancelled", "expired"].includes(status);
}

const STATES: Record<SessionStatus, Message> = {
  waiting: "state.waiting",
  active: "state.active",
  paused: "state.paused",
  completed: "state.completed",
  cancelled: "state.cancelled",
  expired: "state.expired",
};

export const statusWords = (status: SessionStatus): string => t(STATES[status]);
