import { describe, expect, it } from "vitest";
import { csrfToken } from "../sync/api";

describe("api", () => {
  it("finds the CSRF token among the cookies", () => {
    expect(csrfToken("a=1; csrftoken=abc; b=2")).toBe("abc");
    expect(csrfToken("xcsrftoken=no")).toBe("");
  });
});
