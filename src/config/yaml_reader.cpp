// The one file that knows yaml-cpp. Its own node tree keeps duplicate keys silently and resolves anchors before anybody
// sees them, so the tree is built here from the parser's events.
#include "config/node.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <utility>

namespace hsmbridge::config {
namespace {

using Node = Section::Node;
using Shape = Section::Shape;

Place place_of(const YAML::Mark& mark) {
  return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Document::State& state) : state_(state) {}

  bool any() const { return any_; }
  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    put(leaf(Shape::nothing, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    state_.add(place_of(mark), "aliases (*name) are not used here: write the value again");
    put(leaf(Shape::nothing, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node = leaf(Shape::text, mark);
    node.text = value;
    node.quoted = tag == "!";  // yaml-cpp's mark of a scalar in quotes or of a block
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open_.push_back({leaf(Shape::list, mark), {}, false});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    open_.push_back({leaf(Shape::mapping, mark), {}, false});
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or mapping whose end was not read yet. A mapping's events are key, value, key, value.
  struct Frame {
    Node node;
    Node key;
    bool has_key = false;
  };

  static Node leaf(Shape shape, const YAML::Mark& mark) {
    Node node;
    node.shape = shape;
    node.place = place_of(mark);
    return node;
  }
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) state_.add(place_of(mark), "anchors (&name) are not used here");
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") state_.add(place_of(mark), "tags (!type) are not used here");
  }

  void put(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      any_ = true;
      return;
    }
    Frame& frame = open_.back();
    if (frame.node.shape == Shape::list) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      frame.key = std::move(node);
      frame.has_key = true;
    } else {
      frame.has_key = false;
      add_entry(frame, std::move(node));
    }
  }
  void add_entry(Frame& frame, Node value) {
    const Node& key = frame.key;
    if (key.shape != Shape::text || key.text.empty()) return state_.add(key.place, "a key must be a plain text");
    if (key.text == "<<" && !key.quoted) return state_.add(key.place, "merge keys (<<) are not used here");
    if (const auto* first = frame.node.find(key.text)) {
      return state_.add(key.place,
                        fmt::format("key '{}' appears twice, first in line {}", key.text, first->place.line));
    }
    // "key:" without a value is marked at whatever comes next in the file; the key is where a person looks.
    if (value.shape == Shape::nothing) value.place = key.place;
    frame.node.entries.push_back({key.text, key.place, std::move(value)});
  }
  void close() {
    Node done = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(done));
  }

  Document::State& state_;
  std::vector<Frame> open_;
  Node root_;
  bool any_ = false;
};

}  // namespace

void read_yaml(std::string_view text, Document::State& state) {
  state.root.shape = Shape::mapping;
  try {
    std::istringstream input{std::string(text)};
    YAML::Parser parser(input);
    TreeBuilder builder(state);
    parser.HandleNextDocument(builder);
    TreeBuilder second(state);
    const std::size_t before = state.problems.size();
    const bool another = parser.HandleNextDocument(second);
    if (another) {
      state.problems.resize(before);
      const Node node = second.take();
      state.add(node.place, "a second document starts here; the configuration is one document");
    }
    if (!builder.any()) return;
    Node root = builder.take();
    if (root.shape == Shape::mapping) {
      state.root = std::move(root);
    } else if (root.shape != Shape::nothing) {
      state.add(root.place, "the file must be a mapping of names to values");
    }
  } catch (const YAML::Exception& error) {
    state.root = Node{};
    state.root.shape = Shape::mapping;
    state.add(place_of(error.mark), fmt::format("this is not YAML: {}", error.msg));
  }
}

}  // namespace hsmbridge::config
