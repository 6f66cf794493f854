// The page on which the API is tried. What is sent carries the token against forged requests, as the site's own forms do.
const place = document.getElementById("api");
const cookie = document.querySelector('meta[name="csrf-cookie"]')?.content;
const tokenOf = () =>
  document.cookie
    .split(";")
    .map((pair) => pair.trim().split("="))
    .find(([name]) => name === cookie)?.[1] ?? "";
window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  filter: true, // the page holds only the operations in view, so the browser's own search does not find the others
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = tokenOf();
    return request;
  },
});
