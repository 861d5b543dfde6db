// Where a session's life stands, as the staff's page asks for it.
import type { FacilityView } from "../../generated/wire.ts";

/** Whether nothing can change any more. */
export function isOver({ status }: Pick<FacilityView, "status">): boolean {
  return ["completed", "cancelled", "expired"].includes(status);
}
