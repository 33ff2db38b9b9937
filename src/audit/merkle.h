#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

// The hash tree of the audit log: RFC 6962 §2.1 with SHA-256.
namespace hsmbridge::audit {

using Hash = std::array<std::uint8_t, 32>;

// SHA-256(0x00 || data): the hash of one leaf.
Hash leaf_hash(ByteView data);
// SHA-256(0x01 || left || right). The two prefixes keep a leaf from being passed off as a node.
Hash node_hash(const Hash& left, const Hash& right);

// The Merkle tree head over leaves that come one after the other, kept as the roots of its full subtrees: memory and
// the cost of root() grow with the logarithm of the number of leaves.
class TreeHead {
 public:
  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  // MTH of everything appended; the hash of the empty string for the empty tree.
  Hash root() const;

  // What it is made of, to be stored, and the way back: nothing when the number of subtrees does not fit the size.
  const std::vector<Hash>& subtrees() const { return subtrees_; }  // one for each set bit of size, the largest first
  static std::optional<TreeHead> of(std::uint64_t size, std::vector<Hash> subtrees);

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> subtrees_;
};

}  // namespace hsmbridge::audit
