/** Addresses of this site, which may lie below a path of its host (https://lab.example/boxwise/). */

/** Where the site lies, with a slash at both ends; its pages say so. */
export const siteBase = (): string => document.documentElement.dataset.base ?? "/";

/** Below which the API lies, with a slash at its end. */
export const apiBase = (): string => `${siteBase()}api/v1/`;

export const signInPage = (): string => `${siteBase()}accounts/sign-in/`;

export const imagePage = (image: number): string => `${siteBase()}images/${image}/`;
