// A vote in a file, from anybody: it is read, or invalid_input; what was read is written the same again, and judged without
// an exception.
#include "../fuzzing.h"
#include "approval/vote.h"
#include "x509/objects/spki.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  const auto vote = fuzz::accepted([&] { return approval::read_vote(as_text(ByteView(data, size))); });
  if (!vote) return 0;
  const std::string text = approval::to_text(*vote);
  fuzz::promise(approval::to_text(approval::read_vote(text)) == text, "a vote reads back as it was written");
  const approval::Person person{vote->vote.person, x509::spki_hash(vote->key)};
  const approval::Policy policy{{{"", {}, {}, {{"", 1, {person}}}}}};
  fuzz::promise(approval::fault_of(*vote, {}, policy) != "", "a vote on nothing does not count");
  approval::fault_of(*vote, vote->vote.question, policy);
  return 0;
}
