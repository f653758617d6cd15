// Clients that follow channels while their connections are broken, and tell everything that an
// application would be told: see interop/sdk_faults_test.go, which breaks and judges.

/**
 * Starts a client for each job, { client, url, transports, encoding, channels }, and calls tell
 * with { client, channel, event, body }; channel is its index in the job, absent where the event is the
 * client's. The first channel is left again and again, and gone on with.
 */
export function follow({ Ropewalk, WebSocket, jobs, tell }) {
  const network = globalThis.addEventListener ? globalThis : listening();
  for (const { client: name, url, transports, encoding, channels } of jobs) {
    const client = new Ropewalk(url, { transports, encoding, WebSocket });
    client.on("connected", (body) => tell({ client: name, event: "connected", body }));
    client.on("disconnected", (body) => {
      tell({ client: name, event: "disconnected", body });
      // The pause grows with each failure: the network says that it is back before it is over.
      setTimeout(() => network.dispatchEvent(new Event("online")), 20);
    });
    channels.forEach((channel, i) => watch(client, channel, (event, body) => tell({ client: name, channel: i, event, body }), i === 0));
    client.connect();
  }
}

/** How many publications a restless subscriber takes before it leaves. */
const ENOUGH = 7;

function watch(client, channel, tell, restless, from) {
  const subscription = client.subscribe(channel, { from });
  for (const event of ["live", "skip", "gap", "recovered"]) subscription.on(event, (body) => tell(event, body));
  subscription.on("unsubscribed", (error) => error && tell("unsubscribed", { code: error.code }));
  let seen = 0;
  subscription.on("publication", (publication) => {
    tell("publication", publication);
    if (!restless || ++seen < ENOUGH) return;
    subscription.unsubscribe();
    watch(client, channel, tell, restless, subscription.position);
  });
}

/** What a browser's window is to the client. */
function listening() {
  const target = new EventTarget();
  globalThis.addEventListener = target.addEventListener.bind(target);
  globalThis.removeEventListener = target.removeEventListener.bind(target);
  return target;
}
