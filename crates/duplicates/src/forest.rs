//! Disjoint sets as trees (Tarjan 1975): which things belong together, found while pairs of them come in.

/// Nodes, each in one tree, which its root names.
#[derive(Clone, Debug, Default)]
pub struct Forest(Vec<usize>);

impl Forest {
    /// `n` nodes, each alone.
    pub fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// Adds a node, alone; its number.
    pub fn grow(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    /// The root of a node, with the way there halved.
    pub fn root(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    /// Hangs the tree of one node under the root of another, which names both from now on.
    pub fn hang(&mut self, node: usize, under: usize) {
        let (node, under) = (self.root(node), self.root(under));
        self.0[node] = under;
    }

    /// All roots, in ascending order.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|&(node, &parent)| node == parent).map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_named_by_what_they_hang_under() {
        let mut forest = Forest::new(4);
        forest.hang(1, 0);
        forest.hang(3, 1);
        let top = forest.grow();
        forest.hang(0, top);
        assert_eq!([0, 1, 2, 3, 4].map(|node| forest.root(node)), [top, top, 2, top, top]);
        assert_eq!(forest.roots().collect::<Vec<_>>(), [2, top]);
        forest.hang(3, 0);
        assert_eq!(forest.root(3), top);
    }
}
