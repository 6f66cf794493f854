import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { signIn } from "../sync/api";
import { pageWith } from "./build";

/** A server that knows one CSRF cookie and answers as Boxwise does; `asked` is what reached it. */
function server(cookieAtStart: string, status: number, base = "/") {
  const asked: string[] = [];
  let cookie = cookieAtStart;
  vi.stubGlobal(
    "document",
    pageWith(() => cookie, base),
  );
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    if (url === `${base}accounts/sign-in/`) return Promise.resolve(answer(init));
    return Promise.reject(new Error(`nothing is at ${url}`));
  });
  const answer = (init: RequestInit): Response => {
    const token = (init.headers as Record<string, string> | undefined)?.["X-CSRFToken"];
    asked.push(`${init.method ?? "GET"} ${token ?? ""}`.trim());
    if (init.method !== "POST") {
      cookie = "boxwise_csrf_8000=fresh";
      return new Response("", { status: 200 });
    }
    if (token !== "fresh") return new Response("{}", { status: 403 });
    const detail = JSON.stringify({ detail: "Wait 5 minutes." });
    return new Response(status === 204 ? null : detail, { status });
  };
  return asked;
}

const form = () => new FormData();

describe("signing in without leaving the page", () => {
  beforeEach(() => vi.stubGlobal("location", { pathname: "/images/1/" }));
  afterEach(() => vi.unstubAllGlobals());

  it("fetches a token when cookies were cleared, before the password is sent", async () => {
    const asked = server("", 204);
    expect(await signIn(form())).toEqual({ kind: "in" });
    expect(asked).toEqual(["GET", "POST fresh"]);
  });

  it("asks below the path of the site", async () => {
    server("boxwise_csrf_8000=fresh", 204, "/boxwise/");
    expect(await signIn(form())).toEqual({ kind: "in" });
  });

  it("sends the form again when the token is an old one", async () => {
    const asked = server("boxwise_csrf_8000=old", 204);
    expect(await signIn(form())).toEqual({ kind: "in" });
    expect(asked).toEqual(["POST old", "GET", "POST fresh"]);
  });

  it("ignores the cookie of another installation", async () => {
    const asked = server("csrftoken=theirs; boxwise_csrf_8001=theirs", 204);
    await signIn(form());
    expect(asked).toEqual(["GET", "POST fresh"]);
  });

  it.each([
    [401, { kind: "wrong" }],
    [409, { kind: "wait", sentence: "Wait 5 minutes." }], // a second factor, which the sign-in page asks for
    [429, { kind: "wait", sentence: "Wait 5 minutes." }],
    [500, { kind: "unreachable" }],
  ])("tells each cause apart (%i)", async (status, answer) => {
    server("boxwise_csrf_8000=fresh", status);
    expect(await signIn(form())).toEqual(answer);
  });
});
