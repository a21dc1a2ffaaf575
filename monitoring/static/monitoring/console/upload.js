// Shows how far an upload is. Without this script the form is sent by the browser.
const form = document.querySelector("#new-batch");
const sending = document.querySelector("#sending");

function show(share, text) {
  sending.hidden = false;
  sending.querySelector("progress").value = share;
  sending.querySelector("p").textContent = text;
}

function settle(request) {
  // A refusal is the same page with what was wrong; else the answer led elsewhere.
  if (request.status < 300 && !request.responseURL.endsWith(location.pathname)) {
    location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const reason = page.querySelector("[role=alert]")?.textContent;
  form.querySelector("button.strong").disabled = false;
  show(0, reason ?? `The server answered ${request.status}. Nothing was stored.`);
  sending.classList.add("refused");
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  sending.classList.remove("refused");
  form.querySelector("button.strong").disabled = true;
  const request = new XMLHttpRequest();
  request.open("POST", location.href);
  request.upload.onprogress = ({ loaded, total }) => {
    const part = total ? loaded / total : 0;
    show(part, part < 1 ? `Sent ${Math.floor(part * 100)} %` : "Sent. The server stores it …");
  };
  request.onload = () => settle(request);
  request.onerror = () => settle(request);
  show(0, "Sending …");
  request.send(new FormData(form));
});
