/** A job of the gallery, followed until it has ended. */
import type { Schemas } from "../scene/contract";
import { ApiError, isTemporary, type Api } from "../sync/api";

const POLL_MS = 2000;
type Job = Schemas["JobInFull"];

/** A server that does not answer is asked again. Throws what the server declines. */
export async function followJob(api: Api, job: number, tell: (job: Job) => void): Promise<Job> {
  for (;;) {
    try {
      const found = await api.get<Job>(`jobs/${job}/`);
      if (found.state !== "waiting" && found.state !== "running") return found;
      tell(found);
    } catch (error) {
      if (error instanceof ApiError && !isTemporary(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
