import { afterEach, describe, expect, it, vi } from "vitest";
import { Api, csrfToken } from "../sync/api";
import { pageWith } from "./build";

describe("api", () => {
  it("finds the CSRF token among the cookies", () => {
    expect(csrfToken("a=1; boxwise_csrf_8000=abc; b=2", "boxwise_csrf_8000")).toBe("abc");
    expect(csrfToken("xboxwise_csrf_8000=no", "boxwise_csrf_8000")).toBe("");
    // Another installation on the same host has another port, and cookies do not know ports.
    expect(csrfToken("boxwise_csrf_8001=theirs; csrftoken=other", "boxwise_csrf_8000")).toBe("");
  });
});

describe("opening an image", () => {
  afterEach(() => vi.unstubAllGlobals());

  /** A server that shows an image; `asked` are the methods it is asked with, and a POST makes the layer. */
  const server = (role: string, writable: boolean, archived_at: string | null = null) => {
    const asked: string[] = [];
    vi.stubGlobal(
      "document",
      pageWith(() => "boxwise_csrf_8001=theirs; boxwise_csrf_8000=ours"),
    );
    vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
      expect(init.headers).toMatchObject({ "X-CSRFToken": "ours" });
      asked.push(init.method ?? "GET");
      const layers = writable || init.method === "POST" ? [{ id: "a", writable: true }] : [];
      return Promise.resolve(new Response(JSON.stringify({ project: { role, archived_at }, layers })));
    });
    return asked;
  };

  it("asks for a layer only where the person writes and has none yet", async () => {
    const api = new Api("/api/v1/");
    const cases: [string, boolean, string | null, string[]][] = [
      ["annotator", true, null, ["GET"]],
      ["annotator", false, null, ["GET", "POST"]],
      ["viewer", false, null, ["GET"]],
      ["owner", false, "2026-01-01", ["GET"]],
    ];
    for (const [role, writable, archived, methods] of cases) {
      const asked = server(role, writable, archived);
      const opened = await api.workspace(1);
      expect(asked).toEqual(methods);
      expect(opened.layers.some((layer) => layer.writable)).toBe(writable || methods.includes("POST"));
    }
  });
});
