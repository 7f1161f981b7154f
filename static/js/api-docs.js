// The API's document in the vendored viewer. Until it stands, or without it, the page's own list of operations stays.

const place = document.getElementById("try");

if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    // The viewer would ask a validator on another site about every document.
    validatorUrl: null,
    onComplete: () => {
      document.getElementById("plain").hidden = true;
    },
  });
}
