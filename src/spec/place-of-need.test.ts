import { expect, test } from "bun:test";
import { placeOfNeed } from "./place-of-need.ts";
import { load, oneTask } from "./testing.ts";

const placeIn = (text: string, need: string): string | undefined => {
  const place = placeOfNeed(load(text), 0, need);
  return place && `${place.line}:${place.column}`;
};

test("where a document says what is too much", () => {
  const inline = oneTask("resource_requirements: {num_gpus: 9, custom: {licenses: 4}}");
  expect(placeIn(inline, "gpus")).toBe("5:39");
  expect(placeIn(inline, "licenses")).toBe("5:61");
  expect(placeIn(inline, "memory")).toBe("5:28");
  const short = oneTask("gpus: 9", "custom: {licenses: 4}");
  expect(placeIn(short, "gpus")).toBe("5:11");
  expect(placeIn(short, "licenses")).toBe("6:24");
  expect(placeIn(short, "tokens")).toBe("3:11");
  const named = `resource_requirements: [{name: r, custom: {licenses: 4}}]\n${oneTask("resource_requirements: r")}`;
  expect(placeIn(named, "licenses")).toBe("6:28");
});
