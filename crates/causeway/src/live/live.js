// What changes comes by server-sent events; without this script the page loads itself anew.
const now = document.getElementById("now");
const events = new EventSource("/now");
events.onmessage = (event) => { if (event.data) now.innerHTML = event.data; };
events.onerror = () => { document.body.classList.add("gone"); events.close(); };
