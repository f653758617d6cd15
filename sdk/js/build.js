// Bundles what tsc made into one minified module, dist/ropewalk.min.js, and copies it
// for the console's page when called with --console. It fails when the module
// is larger than promised.
import { copyFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// Names of properties that stand on this side of the package's API alone, and that no
// object of the platform has.
const internal = /^(settle|again|nextId|begin|request|forget|hello|probe|hurry|batch|always|lost|ask|subscription|run|connecting|connected|disconnected|emit)$/;
const most = 15 * 1024; // bytes
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outfile = here("dist/ropewalk.min.js");

await build({
  entryPoints: [here("dist/index.js")],
  outfile,
  bundle: true,
  format: "esm",
  minify: true,
  mangleProps: internal,
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
});
const { size } = await stat(outfile);
if (size > most) {
  console.error(`dist/ropewalk.min.js has ${size} bytes, more than ${most}`);
  process.exitCode = 1;
}
if (process.argv.includes("--console")) {
  await copyFile(outfile, here("../../console/page/ropewalk.js"));
}
