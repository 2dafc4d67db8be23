// The API reference: Swagger UI on our OpenAPI document, which calls with the session of the page.

import { readAgain } from "./lib/again.js";

const page = document.documentElement;
const root = document.getElementById("reference");

// Swagger UI has a dark form of its own, by this class.
const dress = () => page.classList.toggle("dark-mode", page.dataset.bsTheme === "dark");
document.addEventListener("theme", dress);
dress();

readAgain(root.dataset.document, (answer) => answer.json()).then((spec) => {
  window.SwaggerUIBundle({
    spec,
    domNode: root,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    syntaxHighlight: false,
    requestInterceptor: (request) => {
      request.headers["X-CSRFToken"] = root.dataset.csrf;
      return request;
    },
  });
});
