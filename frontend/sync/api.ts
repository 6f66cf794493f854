/** The one way to the server: same origin, session cookie, CSRF header, problem+json errors. */
import { fromBase64, type Mask } from "../geometry/mask";
import type {
  Answer,
  Comparison,
  Head,
  OperationIn,
  Problem,
  Schemas,
  Tail,
  Workspace,
} from "../scene/contract";
import { decodePack, type Pack } from "../scene/pack";
import { signInPage } from "./addresses";

/** The server answered with an error: an HTTP status, a code for programs and a sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
  ) {
    super(`${status} ${code}: ${detail}`);
  }
}
/** No answer: no network, server gone, or a proxy in between. Worth trying again. */
export class Unreachable extends Error {}

export const isTemporary = (error: unknown): boolean =>
  error instanceof Unreachable ||
  (error instanceof ApiError && (error.status >= 500 || error.status === 429 || error.status === 408));

/** Each installation has cookies of its own names, since cookies do not know ports; the page says which. */
const csrfCookie = (): string =>
  document.querySelector<HTMLMetaElement>('meta[name="csrf-cookie"]')?.content ?? "";

/** The token against forged requests among the cookies; empty when there is none. */
export function csrfToken(cookies: string, name: string = csrfCookie()): string {
  for (const cookie of cookies.split(";")) {
    const [key, value] = cookie.trim().split("=");
    if (key === name && value) return value;
  }
  return "";
}

export type SignedIn =
  | { readonly kind: "in" }
  | { readonly kind: "wrong" }
  | { readonly kind: "wait"; readonly sentence: string }
  | { readonly kind: "unreachable" };

/** Sign in without leaving the page. Cookies may have been cleared: then the token is fetched, and the form sent
 *  again. */
export async function signIn(form: FormData): Promise<SignedIn> {
  const body = new URLSearchParams(form as unknown as Record<string, string>);
  const post = () =>
    fetch(signInPage(), {
      method: "POST",
      credentials: "same-origin",
      headers: { Accept: "application/json", "X-CSRFToken": csrfToken(document.cookie) },
      body,
    });
  const freshToken = () => fetch(signInPage(), { credentials: "same-origin" }); // its page sets the cookie
  try {
    if (!csrfToken(document.cookie)) await freshToken();
    let answer = await post();
    if (answer.status === 403) {
      await freshToken();
      answer = await post();
    }
    if (answer.ok) return { kind: "in" };
    if (answer.status === 401) return { kind: "wrong" };
    if (answer.status === 429 || answer.status === 409)
      return { kind: "wait", sentence: (await errorOf(answer)).detail };
    return { kind: "unreachable" };
  } catch {
    return { kind: "unreachable" };
  }
}

export type Stroke = Schemas["StrokeIn"];
/** What the interactive worker says; `superseded`: it was asked something newer meanwhile. */
export type Answered = Readonly<Omit<Partial<Schemas["Answered"]>, "mask">> & { readonly mask: Mask | null };
export type SmartRequest = Schemas["SmartBody"];
export type RefusionRequest = Schemas["RefusionBody"];

/** So many annotations one question names (labeling/annotations/heads.py MOST). */
const MOST_HEADS = 100;

export class Api {
  constructor(
    readonly base: string,
    private readonly timeout = 30_000,
  ) {}

  /** An image as it is. Opening it writes nothing, so who may annotate and has no layer here yet asks for one. */
  async workspace(image: number): Promise<Workspace> {
    const path = `images/${image}/workspace/`;
    const opened = await this.json<Workspace>(path);
    const { role, archived_at } = opened.project;
    const isWritable = opened.layers.some((layer) => layer.writable);
    if (isWritable || archived_at || role === "viewer") return opened;
    return this.json<Workspace>(path, post({}));
  }

  /** Two rounds on an image: `query` names them. */
  comparison(image: number, query: string): Promise<Comparison> {
    return this.json<Comparison>(`images/${image}/overlay/?${query}`);
  }

  pack(layer: string): Promise<Pack> {
    return this.packAt(`layers/${layer}/pack/`);
  }
  /** The locked reference masks of an image. */
  referencePack(image: number): Promise<Pack> {
    return this.packAt(`images/${image}/reference/`);
  }
  private async packAt(path: string): Promise<Pack> {
    const response = await this.checked(path, {});
    return decodePack(await response.arrayBuffer());
  }

  tail(layer: string, after: number, limit = 1000): Promise<Tail> {
    return this.json<Tail>(`layers/${layer}/operations/?after=${after}&limit=${limit}`);
  }

  /** What the log says of annotations: last operation, author, time, state. */
  async heads(layer: string, annotations: readonly string[]): Promise<Head[]> {
    const found: Head[] = [];
    for (let i = 0; i < annotations.length; i += MOST_HEADS) {
      const asked = annotations.slice(i, i + MOST_HEADS).map((id) => `annotation=${id}`);
      const answer = await this.json<Schemas["HeadsAnswer"]>(`layers/${layer}/heads/?${asked.join("&")}`);
      found.push(...answer.annotations);
    }
    return found;
  }

  /** 200, 409 and 422 all carry a verdict for every operation. */
  async send(layer: string, operations: OperationIn[]): Promise<Answer> {
    const request = post({ operations });
    // Small sends outlive the page (browsers allow 64 KiB together); for the others the outbox is the promise.
    const keepalive = request.body.length < 24_000;
    const response = await this.request(`layers/${layer}/operations/`, { ...request, keepalive });
    if (response.ok || response.status === 409 || response.status === 422) {
      const body = (await response.json()) as Partial<Answer> & Partial<Problem>;
      if (Array.isArray(body.results)) return body as Answer;
      // The whole batch was rejected: the project is archived, the layer is somebody else's.
      throw new ApiError(
        response.status,
        body.code ?? "no_verdicts",
        body.detail ?? "the server's answer holds no verdicts",
      );
    }
    throw await errorOf(response);
  }

  /** A mask from a box and clicks, by the interactive worker. */
  smart(image: number, body: SmartRequest): Promise<Answered> {
    return this.asked(`images/${image}/smart/`, body);
  }
  /** A cell's mask after its image was fused again with strokes as constraints. */
  refusion(image: number, body: RefusionRequest): Promise<Answered> {
    return this.asked(`images/${image}/refusion/`, body);
  }
  private async asked(path: string, body: SmartRequest | RefusionRequest): Promise<Answered> {
    const answer = await this.post<Schemas["Answered"]>(path, body);
    return { ...answer, mask: answer.mask ? { ...answer.mask, bits: fromBase64(answer.mask.bits) } : null };
  }

  async presence(layer: string, body: Schemas["PresenceBody"], farewell: boolean): Promise<void> {
    await this.checked(`layers/${layer}/presence/`, { ...post(body), keepalive: farewell });
  }

  async activity(batch: Schemas["ActivityBody"], keepalive: boolean): Promise<void> {
    await this.checked("activity/", { ...post(batch), keepalive });
  }

  get<T>(path: string): Promise<T> {
    return this.json<T>(path);
  }
  /** Something that is no operation: an act on an item, a comment. */
  post<T>(path: string, body: unknown): Promise<T> {
    return this.json<T>(path, post(body));
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.json<T>(path, { ...post(body), method: "PATCH" });
  }

  /** The server's word is taken for its type here and nowhere else; the schema is checked on its side. */
  private async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await this.checked(path, init);
    return (await response.json()) as T;
  }

  /** Throws an ApiError for every answer that is none of success. */
  private async checked(path: string, init: RequestInit): Promise<Response> {
    const response = await this.request(path, init);
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  private async request(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.base + path, {
        credentials: "same-origin",
        signal: AbortSignal.timeout(this.timeout),
        ...init,
        headers: { Accept: "application/json", "X-CSRFToken": csrfToken(document.cookie), ...init.headers },
      });
    } catch (error) {
      throw new Unreachable(String(error));
    }
  }
}

const post = (body: unknown): RequestInit & { body: string } => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return new ApiError(
      response.status,
      problem.code ?? "unknown",
      problem.detail ?? problem.title ?? response.statusText,
    );
  } catch {
    return new ApiError(response.status, "unknown", response.statusText);
  }
}
