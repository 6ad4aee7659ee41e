// Reads [rule, data] lines, answers with what json-logic-js makes of each.
const { apply } = require("json-logic-js");
const lines = require("node:readline").createInterface({ input: process.stdin });
const show = (_, value) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value === undefined ? null : value;
lines.on("line", (line) => {
  const [rule, data] = JSON.parse(line);
  let result;
  try {
    result = { value: apply(rule, data) };
    if (result.value === undefined) result.value = null;
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(result, show) + "\n");
});
