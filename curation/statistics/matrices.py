"""As much linear algebra as the statistics need."""

from collections.abc import Sequence

Matrix = list[list[float]]


class Singular(ArithmeticError):
    """The matrix has no inverse."""


def inverse(matrix: Sequence[Sequence[float]]) -> Matrix:
    """Return the inverse by Gauss and Jordan, with pivots; raises Singular."""
    size = len(matrix)
    rows = [
        [*map(float, row), *(float(i == j) for j in range(size))]
        for i, row in enumerate(matrix)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        if abs(rows[pivot][column]) < 1e-12:
            raise Singular
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = rows[column][column]
        rows[column] = [value / scale for value in rows[column]]
        for row in range(size):
            factor = rows[row][column]
            if row != column and factor:
                pairs = zip(rows[row], rows[column], strict=True)
                rows[row] = [value - factor * other for value, other in pairs]
    return [row[size:] for row in rows]


def product(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    """Return the matrix times the vector."""
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
