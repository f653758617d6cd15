import { $, element } from "./log.js";

const mostMembers = 200; // of one channel
const present = new Map(); // channel to a map of client to member

// Reads who is there now; joins and leaves follow.
export async function readPresence(client, channel) {
  const members = new Map();
  try {
    for (let after, more = true; more && members.size < mostMembers; ) {
      const page = await client.presence(channel, { after });
      for (const member of page.members) members.set(member.client, member);
      after = page.members.at(-1)?.client;
      more = page.more && after !== undefined;
    }
    present.set(channel, members);
  } catch {
    present.delete(channel); // the channel has none, or the connection ended
  }
  draw();
}

export function join({ channel, member }) {
  present.get(channel)?.set(member.client, member);
  draw();
}

export function leave({ channel, member }) {
  present.get(channel)?.delete(member.client);
  draw();
}

// Without a channel: nobody is known any more.
export function forgetPresence(channel) {
  if (channel === undefined) present.clear();
  else present.delete(channel);
  draw();
}

let own;
export function setOwnName(client) {
  own = client;
  draw();
}

function draw() {
  const groups = [...present].map(([channel, members]) => {
    const group = element("div", "group");
    group.dataset.channel = channel;
    const list = element("ul");
    for (const client of members.keys()) {
      const item = element("li", client === own ? "own" : "", client.slice(0, 8));
      item.title = client;
      item.dataset.client = client;
      if (client === own) item.append(element("span", "hint", " this window"));
      list.append(item);
    }
    group.append(element("h3", "", `${channel} (${members.size})`), list);
    return group;
  });
  $("presence").replaceChildren(...groups);
  $("nobody").hidden = groups.length > 0;
}
