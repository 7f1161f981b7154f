// Uploads one file to the media library. Resolves to its entry, as the API describes it.

// `onProgress` gets the part that has been sent, from 0 to 1. Uses XMLHttpRequest because fetch does not report upload progress.
export function upload(url, file, alt, onProgress) {
  const body = new FormData();
  body.append("alt", alt);
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.responseType = "json";
  request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded / total));
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () => reject(new Error("the server could not be reached.")));
    request.addEventListener("load", () => {
      if (request.status === 201 || request.status === 200) resolve(request.response);
      else reject(new Error(request.response?.detail ?? `the server returned status ${request.status}.`));
    });
    request.open("POST", url);
    request.send(body);
  });
}
