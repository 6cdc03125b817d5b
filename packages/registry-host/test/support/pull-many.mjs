import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';

// node pull-many.mjs <how many clients> <JSON: [{ url, digest }, …]> [bytes after which one more client hangs up]
//
// Clients that pull the same content at once, in a process of their own. Prints what they got wrong, as JSON.

const [clients, wantedText, leaveAfter] = process.argv.slice(2);
const wanted = JSON.parse(wantedText);
const left = leaveAfter === undefined ? undefined : get(wanted[0], undefined, Number(leaveAfter));
const problems = (await Promise.all(Array.from({ length: Number(clients) }, (_, index) => client(index)))).flat();
await left;
process.stdout.write(`${JSON.stringify({ count: problems.length, some: problems.slice(0, 5) })}\n`);

/** Where that is possible from several addresses: one may not have a thousand connections and one more. */
async function client(index) {
  const address = process.platform === 'linux' ? { localAddress: `127.0.0.${2 + (index % 8)}` } : {};
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...address });
  const all = await Promise.all(wanted.map((each) => get(each, agent)));
  agent.destroy();
  return all.flat();
}

function get({ url, digest }, agent, leave = Number.POSITIVE_INFINITY) {
  return new Promise((resolve) => {
    const asked = request(url, { agent: agent ?? false, headers: { accept: '*/*' } }, (answer) => {
      const hash = createHash('sha256');
      let bytes = 0;
      let said = '';
      answer.on('data', (chunk) => {
        hash.update(chunk);
        bytes += chunk.byteLength;
        if (answer.statusCode !== 200) said += chunk;
        if (bytes >= leave) answer.destroy();
      });
      answer.on('error', () => {});
      answer.once('close', () => {
        const isRight = answer.statusCode === 200 && answer.complete && `sha256:${hash.digest('hex')}` === digest;
        resolve(isRight ? [] : [`${url}: ${answer.statusCode} after ${bytes} bytes ${said}`]);
      });
    });
    asked.once('error', (error) => resolve([`${url}: ${error.message}`]));
    asked.end();
  });
}
