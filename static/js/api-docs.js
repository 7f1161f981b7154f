// Shows the OpenAPI document in Swagger UI. Until it has loaded, the page shows its own list of operations.

const container = document.getElementById("try");

if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({
    url: container.dataset.document,
    domNode: container,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    // By default Swagger UI sends every document to a validator on another site.
    validatorUrl: null,
    onComplete: () => {
      document.getElementById("plain").hidden = true;
    },
  });
}
