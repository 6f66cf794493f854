import { describe, expect, it } from "vitest";
import { csrfToken } from "../sync/api";

describe("api", () => {
  it("finds the CSRF token among the cookies", () => {
    expect(csrfToken("a=1; boxwise_csrf_8000=abc; b=2", "boxwise_csrf_8000")).toBe("abc");
    expect(csrfToken("xboxwise_csrf_8000=no", "boxwise_csrf_8000")).toBe("");
    // Another installation on the same host has another port, and cookies do not know ports.
    expect(csrfToken("boxwise_csrf_8001=theirs; csrftoken=other", "boxwise_csrf_8000")).toBe("");
  });
});
