#include "audit/merkle.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace hsmbridge::audit {
namespace {

Hash to_hash(const Bytes& digest) {
  Hash hash{};
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

}  // namespace

Hash leaf_hash(ByteView data) {
  Bytes input;
  input.reserve(data.size() + 1);
  input.push_back(0x00);
  input.insert(input.end(), data.begin(), data.end());
  return to_hash(sha256(input));
}

Hash node_hash(const Hash& left, const Hash& right) {
  Bytes input;
  input.reserve(1 + left.size() + right.size());
  input.push_back(0x01);
  input.insert(input.end(), left.begin(), left.end());
  input.insert(input.end(), right.begin(), right.end());
  return to_hash(sha256(input));
}

void TreeHead::append(const Hash& leaf) {
  Hash carried = leaf;
  // As in binary addition: each trailing set bit of the size is a full subtree that the new leaf completes.
  for (std::uint64_t bits = size_; (bits & 1U) != 0; bits >>= 1U) {
    carried = node_hash(subtrees_.back(), carried);
    subtrees_.pop_back();
  }
  subtrees_.push_back(carried);
  ++size_;
}

std::optional<TreeHead> TreeHead::of(std::uint64_t size, std::vector<Hash> subtrees) {
  if (static_cast<std::size_t>(std::popcount(size)) != subtrees.size()) return std::nullopt;
  TreeHead head;
  head.size_ = size;
  head.subtrees_ = std::move(subtrees);
  return head;
}

Hash TreeHead::root() const {
  if (subtrees_.empty()) return to_hash(sha256({}));
  Hash root = subtrees_.back();
  for (auto left = subtrees_.rbegin() + 1; left != subtrees_.rend(); ++left) root = node_hash(*left, root);
  return root;
}

}  // namespace hsmbridge::audit
